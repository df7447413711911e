"""How TensorFlow Lite cuts a graph into parts for a delegate, which is how the compiler does it.

Own wording of the algorithm in `tensorflow/lite/graph_info.cc` (PartitionGraphIntoIndependentNode
Subsets, v2.5.0): parts follow one another; the first operator that is ready decides whether a part
is for the delegate, and the part takes in every operator of that kind whose inputs are there by
then, in execution order, until no more come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from coral_action.tflite import Operator


@dataclass(frozen=True)
class Part:
    """Operators (by index) that run one after the other in one place."""

    mapped: bool
    operators: tuple[int, ...]


def partition(operators: Sequence[Operator], mappable: Sequence[bool]) -> list[Part]:
    """The parts of a graph; `mappable[i]` says whether the delegate takes operator i.

    Operators that never become ready (a cycle, which no valid file has) are in no part.
    """
    missing = {tensor for operator in operators for tensor in operator.outputs}
    waiting = list(range(len(operators)))
    parts: list[Part] = []
    while waiting:
        kind: bool | None = None
        taken: list[int] = []
        progress = True
        while progress:
            progress = False
            left = []
            for index in waiting:
                ready = missing.isdisjoint(operators[index].inputs)
                if ready and kind in (None, mappable[index]):
                    kind = mappable[index]
                    taken.append(index)
                    missing.difference_update(operators[index].outputs)
                    progress = True
                else:
                    left.append(index)
            waiting = left
        if kind is None:
            break
        parts.append(Part(kind, tuple(sorted(taken))))
    return parts
