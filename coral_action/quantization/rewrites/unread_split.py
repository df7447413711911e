"""SPLIT or SPLIT_V with an output that nothing reads: a SLICE for each of the others.

TensorFlow's quantizer leaves such an operator in float, or not, from run to run another way (seen
with 2.21 and the unread gates of unrolled GRU and LSTM cells).
"""

from __future__ import annotations

from typing import Any

from coral_action.quantization.graph import Graph
from coral_action.quantization.rewrites.slices import read_tensors, slice_of

# The places of the data and of the axis among an operator's inputs.
_SPLITS = {"SPLIT": (1, 0), "SPLIT_V": (0, 2)}


def slice_instead(graph: Graph) -> list[str]:
    """Replace splits along a constant axis; what it changed, a line each."""
    changes: list[str] = []
    operators: list[Any] = []
    read = read_tensors(graph)
    for operator in graph.operators:
        kind = graph.kind(operator)
        parts = [int(index) for index in operator.outputs]
        if kind not in _SPLITS or read.issuperset(parts) or not all(map(graph.is_static, parts)):
            operators.append(operator)
            continue
        source, place = (int(operator.inputs[place]) for place in _SPLITS[kind])
        axis = graph.array(place)
        if axis is None:
            operators.append(operator)
            continue
        start = 0
        for part in parts:
            shape = graph.shape(part)
            if part in read:
                operators.append(slice_of(graph, source, part, int(axis.item()), start, shape))
            start += shape[int(axis.item())]
        changes.append(f"{kind} {graph.name(parts[0])}: SLICE for the parts that are read")
    graph.operators = operators
    return changes
