"""UNPACK, which the Edge TPU does not have: a STRIDED_SLICE for each part that is read.

It begins every unrolled recurrent layer, so all that follows it would stay on the CPU. With a part
that nothing reads, TensorFlow's quantizer leaves it in float besides, from run to run another way.
(SLICE and RESHAPE would do, but the quantizer moves a RESHAPE past a product and then fails.)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.quantization.rewrites.slices import read_tensors
from coral_action.tflite import schema


def unpack_by_slices(graph: Graph) -> list[str]:
    """Replace every float UNPACK of a static shape; what it changed, a line each."""
    changes: list[str] = []
    operators: list[Any] = []
    read = read_tensors(graph)
    for operator in graph.operators:
        source = int(operator.inputs[0])
        parts = [int(index) for index in operator.outputs]
        static = all(map(graph.is_static, (source, *parts)))
        if graph.kind(operator) != "UNPACK" or not graph.is_float(source) or not static:
            operators.append(operator)
            continue
        axis = int(operator.builtinOptions.axis) % len(graph.shape(source))
        operators += [
            _row(graph, source, part, axis, place)
            for place, part in enumerate(parts)
            if part in read
        ]
        changes.append(f"UNPACK {graph.name(parts[0])}: STRIDED_SLICE (exact)")
    graph.operators = operators
    return changes


def _row(graph: Graph, source: int, part: int, axis: int, place: int) -> Any:
    """The STRIDED_SLICE that takes one place of an axis, and the axis away."""
    shape = graph.shape(source)
    begin, end = np.zeros(len(shape), dtype=np.int32), np.asarray(shape, dtype=np.int32)
    begin[axis], end[axis] = place, place + 1
    limits = {"begin": begin, "end": end, "strides": np.ones_like(begin)}
    constants = [graph.add_constant(f"{name}_of_{part}", v) for name, v in limits.items()]
    options = schema().StridedSliceOptionsT()
    options.shrinkAxisMask = 1 << axis
    return graph.make_operator("STRIDED_SLICE", [source, *constants], [part], options)
