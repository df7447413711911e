"""Which samples are used, and in what order: the same on every machine."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import defaultdict
from collections.abc import Sequence


def choose(
    names: Sequence[str],
    *,
    limit: int | None,
    seed: int,
    shuffle: bool = True,
    classes: Sequence[int] | None = None,
) -> list[int]:
    """Indices of at most `limit` samples, in the order in which they are used.

    A draw orders the samples by SHA-256 of seed and name, which depends on no library's random
    numbers: a file that is added or removed leaves the draw of the others as it is. With `classes`
    it is stratified: each class gets its share (and one at least, if `limit` allows), and the
    classes take turns. Without `limit` all samples are used, as they are listed.

    Args:
        names: the samples, sorted.
        limit: how many at most; None for all, as listed.
        seed: another number draws other samples.
        shuffle: False prefers the first samples by name.
        classes: the class of each sample.
    """
    if limit is None:
        return list(range(len(names)))
    order = list(range(len(names)))
    if shuffle:
        keys = [_draw(name, seed) for name in names]
        order.sort(key=keys.__getitem__)
    if classes is not None:
        order = _take_turns(order, classes)
    return order[:limit]


def _draw(name: str, seed: int) -> bytes:
    """A number that is as good as random; names are compared as NFC, which macOS does not write."""
    text = f"{seed}\n{unicodedata.normalize('NFC', name)}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def _take_turns(order: Sequence[int], classes: Sequence[int]) -> list[int]:
    """Systematic sampling: every prefix holds the classes in proportion, after one of each.

    The i-th of the n samples of a class stands at (i + 0.5) / n, and the first one at 0.
    """
    members: defaultdict[int, list[int]] = defaultdict(list)
    for index in order:
        members[classes[index]].append(index)
    place = {
        index: (i + 0.5) / len(group) if i else 0.0
        for group in members.values()
        for i, index in enumerate(group)
    }
    return sorted(order, key=place.__getitem__)  # stable: ties stay in the order of the draw
