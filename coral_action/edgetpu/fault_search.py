"""Which operators make a compilation fail: delta debugging over stretches of operators.

Pure search: it asks whether sets of operators fail, several at a time, and never asks twice. After
A. Zeller, R. Hildebrandt, Simplifying and Isolating Failure-Inducing Input (2002), with stretches
in execution order in place of subsets, because a stretch of a graph is a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Operators = frozenset[int]
Ask = Callable[[Sequence[Operators]], list[bool]]


class OutOfBudgetError(Exception):
    """No more runs, or no more time."""


@dataclass(frozen=True)
class Fault:
    """The smallest part found that still fails; `minimal` where nothing smaller can fail."""

    operators: tuple[int, ...]
    minimal: bool


@dataclass(frozen=True)
class Found:
    """All faults; not `complete` where the budget ended first."""

    faults: tuple[Fault, ...]
    reproducible: bool
    complete: bool


class FaultSearch:
    """One search. `ask` runs the compiler on each set and says which fail; `width` at a time."""

    def __init__(self, count: int, ask: Ask, width: int = 2, budget: int = 40) -> None:
        self.count, self.width, self.left = count, max(1, width), budget
        self._ask, self._known = ask, dict[Operators, bool]()

    def run(self) -> Found:
        """Find every fault: the first, then what else fails behind it."""
        faults: list[Fault] = []
        reproducible = False
        try:
            start = 0
            while start < self.count and self._fails(range(start, self.count)):
                reproducible = True
                faults.append(Fault(tuple(range(start, self.count)), minimal=False))
                fault, end = self._first_fault(start)
                faults[-1] = fault
                start = end
        except OutOfBudgetError:
            return Found(tuple(faults), reproducible, complete=False)
        return Found(tuple(faults), reproducible, complete=True)

    def _first_fault(self, start: int) -> tuple[Fault, int]:
        """The first fault at or after `start`, knowing that the rest of the model fails."""
        end = self._smallest(start + 1, self.count, lambda e: range(start, e))
        # Most faults are one operator; asking for what follows at the same time saves a round.
        alone, follow = [end - 1], range(end, self.count)
        self._answer([alone, *([follow] if end < self.count else [])])
        if self._fails(alone):
            return Fault((end - 1,), minimal=True), end
        length = self._smallest(2, end - start, lambda n: range(end - n, end))
        first = end - length
        pair = [first, end - 1]
        if length > 2 and self._fails(pair):
            return Fault(tuple(pair), minimal=True), end
        return Fault(tuple(range(first, end)), minimal=length == 2), end

    def _smallest(self, low: int, high: int, part: Callable[[int], Sequence[int]]) -> int:
        """The smallest size in [low, high] whose part fails, knowing that `high` fails.

        Each round asks at `width` evenly spaced sizes at once.
        """
        while low < high:
            step = (high - low) / (self.width + 1)
            sizes = sorted({low + int(step * k) for k in range(1, self.width + 1)} & {*range(high)})
            sizes = sizes or [low]
            answers = self._answer([part(size) for size in sizes])
            failing = [size for size, fails in zip(sizes, answers, strict=True) if fails]
            if failing:
                high = failing[0]
            passing = [size for size in sizes if size < high]
            low = passing[-1] + 1 if passing else low
        return high

    def _fails(self, part: Sequence[int]) -> bool:
        return self._answer([part])[0]

    def _answer(self, parts: Sequence[Sequence[int]]) -> list[bool]:
        sets = [frozenset(part) for part in parts]
        new = [item for item in dict.fromkeys(sets) if item not in self._known]
        if len(new) > self.left:
            raise OutOfBudgetError
        if new:
            self.left -= len(new)
            self._known.update(zip(new, self._ask(new), strict=True))
        return [self._known[item] for item in sets]
