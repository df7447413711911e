"""A stretch of a model's operators as a model of its own, to run a model piece by piece."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.quantization.graph import Graph
from coral_action.tflite import pack, schema

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Segment:
    """A model of consecutive operators; `inputs` and `outputs` are tensors of the whole model."""

    content: bytes
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def run(self, states: Sequence[dict[int, Array]]) -> None:
        """Run each sample's state (tensor index: stored value) through, adding the outputs to it.

        Works with litert's own kernels on stored values: nothing is quantized or dequantized.
        """
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        interpreter = Interpreter(
            model_content=self.content,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        interpreter.allocate_tensors()
        for state in states:
            for place, tensor in enumerate(self.inputs):
                interpreter.set_tensor(place, state[tensor])
            interpreter.invoke()
            first = len(self.inputs)
            for place, tensor in enumerate(self.outputs):
                state[tensor] = interpreter.get_tensor(first + place)


def extract(graph: Graph, start: int, stop: int) -> Segment:
    """The operators from `start` up to, not including, `stop`; outputs are what is used later."""
    operators = graph.operators[start:stop]
    written = [int(i) for op in operators for i in op.outputs if i >= 0]
    read = list(dict.fromkeys(int(i) for op in operators for i in op.inputs if i >= 0))
    inputs = [i for i in read if i not in written and not _has_data(graph, i)]
    later = {int(i) for op in graph.operators[stop:] for i in op.inputs} | set(graph.outputs)
    outputs = [i for i in dict.fromkeys(written) if i in later]
    rest = [i for i in dict.fromkeys([*read, *written]) if i not in {*inputs, *outputs}]
    order = [*inputs, *outputs, *rest]
    return Segment(_packed(graph, operators, order, inputs, outputs), tuple(inputs), tuple(outputs))


def _packed(
    graph: Graph,
    operators: Sequence[Any],
    order: Sequence[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> bytes:
    """A flatbuffer of these operators and tensors alone; the originals are left as they are."""
    new = {old: index for index, old in enumerate(order)}
    model = schema().ModelT()
    model.version = 3
    model.operatorCodes = graph.model.operatorCodes
    model.buffers = [schema().BufferT()]
    subgraph = schema().SubGraphT()
    subgraph.tensors = [_copied(graph, old, model.buffers) for old in order]
    subgraph.operators = [_renumbered(operator, new) for operator in operators]
    subgraph.inputs = _int32([new[i] for i in inputs])
    subgraph.outputs = _int32([new[i] for i in outputs])
    model.subgraphs = [subgraph]
    return pack(model)


def _copied(graph: Graph, index: int, buffers: list[Any]) -> Any:
    tensor = schema().TensorT()
    tensor.__dict__.update(graph.tensors[index].__dict__)
    tensor.buffer = 0
    if _has_data(graph, index):
        buffers.append(graph.model.buffers[graph.tensors[index].buffer])
        tensor.buffer = len(buffers) - 1
    return tensor


def _renumbered(operator: Any, new: dict[int, int]) -> Any:
    copy = schema().OperatorT()
    copy.__dict__.update(operator.__dict__)
    copy.inputs = _int32([new.get(int(i), -1) for i in operator.inputs])
    copy.outputs = _int32([new[int(i)] for i in operator.outputs])
    return copy


def _has_data(graph: Graph, tensor: int) -> bool:
    data = graph.model.buffers[graph.tensors[tensor].buffer].data
    return data is not None and len(data) > 0


def _int32(values: Sequence[int]) -> npt.NDArray[np.int32]:
    return np.asarray(values, dtype=np.int32)
