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
    """The int8 model with uint8 inputs and outputs, under the old names.

    The inner int8 tensors are called `<name>_int8`: without a signature, the name of a tensor is
    what an input or output is known by.
    """
    graph = Graph(content)
    # Of before: what is an input and an output at once changes its name with the first of them.
    names = {index: graph.name(index) for index in (*graph.inputs, *graph.outputs)}
    ends = [
        [_converted(graph, index, names[index], at_input=at_input) for index in _int8(graph, held)]
        for held, at_input in ((graph.inputs, True), (graph.outputs, False))
    ]
    graph.operators = [*ends[0], *graph.operators, *ends[1]]
    return graph.pack()


def _int8(graph: Graph, indices: list[int]) -> list[int]:
    int8 = schema().TensorType.INT8
    return [index for index in dict.fromkeys(indices) if graph.tensors[index].type == int8]


def _converted(graph: Graph, tensor: int, name: str, *, at_input: bool) -> object:
    """A uint8 twin of an input or output takes its place; returns the operator between the two."""
    twin = graph.add_tensor(name, graph.shape(tensor), "UINT8")
    graph.tensors[tensor].name = f"{name}_int8".encode()
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
