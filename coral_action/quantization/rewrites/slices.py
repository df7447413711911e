"""One part of a tensor by SLICE, for rewrites of operators that have several outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coral_action.quantization.graph import Graph


def slice_of(
    graph: Graph, source: int, result: int, axis: int, start: int, shape: Sequence[int]
) -> Any:
    """The SLICE operator that writes a part of `source` to `result`.

    Args:
        graph: gets the constants that the operator reads.
        source: tensor to take from, of a static shape.
        result: tensor to write.
        axis: along which `source` is cut; negative ones count from the last.
        start: where the part begins on that axis.
        shape: of the part, with as many axes as `source`.
    """
    begin = np.zeros(len(shape), dtype=np.int32)
    begin[axis] = start
    constants = [
        graph.add_constant(f"{what}_of_{result}", np.asarray(value, dtype=np.int32))
        for what, value in (("begin", begin), ("size", shape))
    ]
    return graph.make_operator("SLICE", [source, *constants], [result])


def read_tensors(graph: Graph) -> set[int]:
    """The tensors that an operator reads, or that are outputs of the model."""
    read = set(graph.outputs)
    for operator in graph.operators:
        read |= {int(index) for index in operator.inputs}
    return read
