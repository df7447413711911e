"""SPLIT with an output that nothing reads: a SLICE for each of the others.

TensorFlow's quantizer sometimes leaves such a SPLIT in float, from run to run another way (seen
with 2.21 and the unread gates of unrolled GRU and LSTM cells).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from coral_action.quantization.graph import Graph


def slice_instead(graph: Graph) -> list[str]:
    """Replace SPLITs into equal parts along a constant axis; what it changed, a line each."""
    changes: list[str] = []
    operators: list[Any] = []
    read = set(graph.outputs)
    for operator in graph.operators:
        read |= {int(index) for index in operator.inputs}
    for operator in graph.operators:
        parts = [int(index) for index in operator.outputs]
        wanted = [index for index in parts if index in read]
        axis = graph.array(int(operator.inputs[0])) if graph.kind(operator) == "SPLIT" else None
        if axis is None or wanted == parts or not all(map(graph.is_static, parts)):
            operators.append(operator)
            continue
        operators += [_slice(graph, operator, parts.index(part), int(axis)) for part in wanted]
        changes.append(f"SPLIT {graph.name(parts[0])}: SLICE for the parts that are read")
    graph.operators = operators
    return changes


def _slice(graph: Graph, split: Any, position: int, axis: int) -> Any:
    """The SLICE that makes one part of a SPLIT."""
    result = int(split.outputs[position])
    size = np.asarray(graph.shape(result), dtype=np.int32)
    begin = np.zeros_like(size)
    begin[axis] = position * size[axis]
    constants = [
        graph.add_constant(f"{what}_of_{result}", value)
        for what, value in (("begin", begin), ("size", size))
    ]
    return graph.make_operator("SLICE", [int(split.inputs[1]), *constants], [result])
