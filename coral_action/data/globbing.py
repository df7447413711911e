"""Files by a pattern such as `data/**/*.png`, in a tree whose links may lead round in circles.

Python's own glob follows links to folders: with two of them that lead to where they lie, it never
ends. This one goes through every folder once, and through no link to one.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

_DEEP = "**"
_MAGIC = frozenset("*?[")
_Matches = Callable[[str], bool]


def find_matches(base: Path, pattern: Sequence[str]) -> Iterator[str]:
    """Paths below a folder that a pattern matches, relative to it; each comes once, in no order.

    As in a shell, a `*` stands for no dot at the beginning of a name. Folders that can't be read
    are passed over.

    Args:
        base: where to look; links that lead to it were followed.
        pattern: its parts between slashes; `**` stands for any number of folders.
    """
    parts: list[str] = []
    for part in pattern:
        if part != _DEEP or parts[-1:] != [_DEEP]:  # two of them mean no more than one
            parts.append(part)
    tests = [_test(part) for part in parts]
    waiting = [("", _ready({0}, parts))]
    while waiting:
        folder, places = waiting.pop()
        try:
            with os.scandir(base / folder) as entries:
                here = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        except OSError:
            continue
        for name, is_folder in here:
            reached = [place for place in places if tests[place](name)]
            if any(place == len(parts) - 1 for place in reached):
                yield folder + name
            if is_folder:
                inside = {place if parts[place] == _DEEP else place + 1 for place in reached}
                if further := _ready(inside, parts):
                    waiting.append((f"{folder}{name}/", further))


def _ready(places: set[int], parts: Sequence[str]) -> list[int]:
    """The parts that a name in a folder may be: `**` may also stand for no folder at all."""
    after = {place + 1 for place in places if place < len(parts) and parts[place] == _DEEP}
    return sorted(place for place in places | after if place < len(parts))


def _test(part: str) -> _Matches:
    if not _MAGIC & set(part):
        return lambda name: name == part
    if part == _DEEP:
        return lambda name: name[0] != "."
    matches = re.compile(fnmatch.translate(part)).match
    if part[0] == ".":
        return lambda name: matches(name) is not None
    return lambda name: name[0] != "." and matches(name) is not None
