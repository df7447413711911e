"""uint8 inputs and outputs: a QUANTIZE at each end of an int8 model.

The int8 value q and the uint8 value q + 128 are the same real number when the zero point moves by
128 too, which is what TensorFlow's converter does for `inference_input_type = tf.uint8`
(tensorflow/lite/python/util.py, modify_model_io_type).
"""

from __future__ import annotations

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

_OFFSET = 128


def to_uint8(content: bytes) -> bytes:
    """The int8 model with uint8 inputs and outputs, under their old names in its signature."""
    graph = Graph(content)
    graph.operators = [
        *(_converted(graph, index, at_input=True) for index in _int8(graph, graph.inputs)),
        *graph.operators,
        *(_converted(graph, index, at_input=False) for index in _int8(graph, graph.outputs)),
    ]
    return graph.pack()


def _int8(graph: Graph, indices: list[int]) -> list[int]:
    int8 = schema().TensorType.INT8
    return [index for index in dict.fromkeys(indices) if graph.tensors[index].type == int8]


def _converted(graph: Graph, tensor: int, *, at_input: bool) -> object:
    """A uint8 twin of an input or output takes its place; returns the operator between the two."""
    twin = graph.add_tensor(f"{graph.name(tensor)}_uint8", graph.shape(tensor), "UINT8")
    old = graph.tensors[tensor].quantization
    new = schema().QuantizationParametersT()
    new.scale = list(old.scale)
    new.zeroPoint = np.asarray(old.zeroPoint, dtype=np.int64) + _OFFSET
    graph.tensors[twin].quantization = new
    if at_input:
        graph.inputs = [twin if i == tensor else i for i in graph.inputs]
    else:
        graph.outputs = [twin if i == tensor else i for i in graph.outputs]
    for signature in graph.model.signatureDefs or []:
        for item in signature.inputs if at_input else signature.outputs:
            if item.tensorIndex == tensor:
                item.tensorIndex = twin
    ends = ([twin], [tensor]) if at_input else ([tensor], [twin])
    return graph.make_operator("QUANTIZE", *ends, schema().QuantizeOptionsT())
