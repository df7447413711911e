"""Work shared out over jobs, so that the longest job is short.

Small models share a job, as starting one costs half a minute; large evaluations are cut into shards
of a job each. Of all lengths that fit the number of jobs, the shortest is taken, and the small
models are dealt out by Graham's longest processing time first (1969, SIAM Journal on Applied
Mathematics 17, 416-429), whose longest job is at most 4/3 of the best possible.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from coral_action.scale.costs import Cost

MAX_JOBS = 256  # of one matrix, by GitHub's limit
_MIN_SAMPLES = 256  # of a shard: fewer are not worth a job


@dataclass(frozen=True)
class Unit:
    """Models that stay together: one, or those that the compiler takes together."""

    models: tuple[str, ...]
    cost: Cost
    divisible: bool
    changed: bool


@dataclass(frozen=True)
class Bundle:
    """What one job does: units as a whole, or shard `index` of `count` of one."""

    units: tuple[Unit, ...]
    seconds: float
    index: int = 1
    count: int = 1


def share_out(units: Sequence[Unit], *, jobs: int, shortest: float) -> list[Bundle]:
    """Bundles for at most so many jobs; those with changed models first, then the longest.

    Args:
        units: all the work.
        jobs: how many jobs there may be, from 1.
        shortest: seconds that a job may take in any case; no unit is cut, and no job opened, to
            be faster than that.
    """
    if not units:
        return []
    # Sums round differently in another order: all of it must fit into one job.
    low, high = shortest, max(shortest, 1.001 * sum(unit.cost.total for unit in units))
    if _jobs_needed(units, low) > jobs:
        while high - low > max(1.0, low / 100):
            middle = (low + high) / 2
            low, high = (low, middle) if _jobs_needed(units, middle) <= jobs else (middle, high)
        low = high
    found = _bundles(units, low)
    return sorted(found, key=lambda b: (not any(u.changed for u in b.units), -b.seconds))


def shard_count(unit: Unit, length: float) -> int:
    """How many shards a unit needs so that none takes longer than `length` seconds, if it can."""
    cost = unit.cost
    if not unit.divisible or cost.total <= length:
        return 1
    # A job that makes the model for longer than it evaluates gains little from one more shard.
    left = max(length - cost.making, cost.making, 1.0)
    wanted = math.ceil(cost.evaluation / left)
    return max(1, min(wanted, cost.samples // _MIN_SAMPLES, MAX_JOBS))


def _jobs_needed(units: Sequence[Unit], length: float) -> int:
    """How many bundles `_bundles` makes."""
    counts = [shard_count(unit, length) for unit in units]
    whole = [unit for unit, count in zip(units, counts, strict=True) if count == 1]
    return sum(count for count in counts if count > 1) + len(_filled(whole, length))


def _bundles(units: Sequence[Unit], length: float) -> list[Bundle]:
    counts = [shard_count(unit, length) for unit in units]
    whole = [unit for unit, count in zip(units, counts, strict=True) if count == 1]
    cut = [
        Bundle((unit,), unit.cost.of_shard(count), index, count)
        for unit, count in zip(units, counts, strict=True)
        if count > 1
        for index in range(1, count + 1)
    ]
    return cut + _together(whole, length)


def _together(units: Sequence[Unit], length: float) -> list[Bundle]:
    """Whole units in as few bundles of that length as first fit finds, dealt out evenly."""
    filled = _filled(units, length)
    even = _dealt(_longest_first(units), len(filled))
    return min(even, _as_bundles(filled), key=lambda b: max((x.seconds for x in b), default=0))


def _filled(units: Sequence[Unit], length: float) -> list[list[Unit]]:
    """Each unit, the longest first, to the first bundle that has room for it."""
    filled: list[list[Unit]] = []
    sums: list[float] = []
    for unit in _longest_first(units):
        place = next((i for i, s in enumerate(sums) if s + unit.cost.total <= length), None)
        if place is None:
            filled.append([unit])
            sums.append(unit.cost.total)
        else:
            filled[place].append(unit)
            sums[place] += unit.cost.total
    return filled


def _longest_first(units: Sequence[Unit]) -> list[Unit]:
    return sorted(units, key=lambda unit: -unit.cost.total)


def _dealt(longest_first: Sequence[Unit], count: int) -> list[Bundle]:
    """Each unit to the bundle that has least so far."""
    parts: list[list[Unit]] = [[] for _ in range(count)]
    least = [(0.0, index) for index in range(count)]
    for unit in longest_first:
        seconds, index = heapq.heappop(least)
        parts[index].append(unit)
        heapq.heappush(least, (seconds + unit.cost.total, index))
    return _as_bundles(parts)


def _as_bundles(parts: Sequence[Sequence[Unit]]) -> list[Bundle]:
    return [Bundle(tuple(part), sum(unit.cost.total for unit in part)) for part in parts if part]
