"""Fitting a text into what GitHub takes: the least useful blocks go first, and it is said which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The longest text that is taken; characters and UTF-8 bytes both count."""

    characters: int
    bytes: int

    def holds(self, cost: Cost) -> bool:
        """Whether a text of this cost fits."""
        return cost.characters <= self.characters and cost.bytes <= self.bytes


# GitHub's message says 65,536 characters; bytes were measured too, up to 262,144. Below both
# counts' least, a comment fits in whichever way it is counted.
COMMENT = Budget(characters=65_000, bytes=65_000)
# A job summary takes 1 MiB; other steps of the job write into the same file.
SUMMARY = Budget(characters=1_000_000, bytes=1_000_000)


@dataclass(frozen=True)
class Cost:
    """How long a text is."""

    characters: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, text: str) -> Cost:
        """The cost of a text and of the line break after it."""
        return cls(len(text) + 1, len(text.encode()) + 1)

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.characters + other.characters, self.bytes + other.bytes)

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.characters - other.characters, self.bytes - other.bytes)


@dataclass(frozen=True)
class Block:
    """A piece that is shown whole or not at all.

    `worth` orders the blocks: the lowest is dropped first. `title` names it in what was left out.
    """

    text: str
    worth: tuple[int, ...]
    title: str
    owner: int  # index of the model that it is about


def choose(
    blocks: Sequence[Block],
    budget: Budget | None,
    fixed: Cost,
    frame: Callable[[int], Cost],
) -> tuple[set[int], Counter[str]]:
    """Which blocks fit beside text of the cost `fixed`, and titles of the others with their counts.

    Args:
        blocks: all of them, in the order in which they are shown.
        budget: what is taken; None: everything.
        fixed: cost of all that is shown in any case.
        frame: cost of what surrounds the blocks of an owner, saved when the last of them goes.
    """
    kept = set(range(len(blocks)))
    left_out: Counter[str] = Counter()
    if budget is None:
        return kept, left_out
    costs = [Cost.of(block.text) for block in blocks]
    remaining = Counter(block.owner for block in blocks)
    total = sum([*costs, *(frame(owner) for owner in remaining)], start=fixed)
    # Of equal worth, the last one goes first.
    for index in sorted(kept, key=lambda i: (blocks[i].worth, -i)):
        if budget.holds(total):
            break
        block = blocks[index]
        kept.remove(index)
        left_out[block.title] += 1
        remaining[block.owner] -= 1
        total = total - costs[index]
        if not remaining[block.owner]:
            total = total - frame(block.owner)
    return kept, left_out
