"""Several sources side by side, one for each model input."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from coral_action.counts import plural
from coral_action.data.samples import Array, Reading, Source
from coral_action.errors import DataError


class ParallelSource:
    """The n-th sample takes the n-th of each part; the first part names and labels it."""

    def __init__(self, parts: Mapping[str, Source], *, match_names: bool) -> None:
        """Join the parts, given by input name.

        With `match_names`, samples must have the same names but for their suffixes, and belong
        together by them; else by their order.

        Raises:
            DataError: if the parts don't fit together.
        """
        first, *others = parts.items()
        self._parts: list[tuple[Source, Sequence[int]]] = []  # and which sample of it is the n-th
        self.names = first[1].names
        self.classes = first[1].classes
        places: Sequence[int] = range(len(self.names))
        self._parts.append((first[1], places))
        for name, part in others:
            if match_names:
                places = _matching(first[0], self.names, name, part.names)
            elif len(part.names) != len(self.names):
                raise DataError(
                    f"{len(self.names)} samples for input {first[0]}, but {len(part.names)} "
                    f"for {name}"
                )
            self._parts.append((part, places))

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        readings = [part.read(places[index]) for part, places in self._parts]
        inputs: dict[str, Array] = {}
        for reading in readings:
            inputs |= reading.inputs
        return Reading(inputs, readings[0].label, _joined([r.digest for r in readings]))

    def digest(self, index: int) -> str:
        """SHA-256 of the parts' digests."""
        return _joined([part.digest(places[index]) for part, places in self._parts])


def _joined(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _matching(a: str, of_a: Sequence[str], b: str, of_b: Sequence[str]) -> list[int]:
    """For each name of the first input, the place of its counterpart among those of the second.

    Their order does not say it: `1.jpg` is sorted before `1.left.jpg`, `1.tif` behind `1.left.tif`.
    """
    by_a, by_b = _by_stem(of_a), _by_stem(of_b)
    for name, held, wanted in ((b, by_b, by_a), (a, by_a, by_b)):
        for stem in sorted(wanted):
            if stem not in held:
                raise DataError(
                    f"input {name} has no file {stem}",
                    hint="files of several inputs belong together by name: left/1.png, right/1.png",
                )
            if len(held[stem]) < len(wanted[stem]):
                raise DataError(
                    f"input {name} has {plural(len(held[stem]), 'file')} called {stem}, but input "
                    f"{b if name == a else a} has {len(wanted[stem])}",
                    hint="files belong together by name without suffix: remove one of them",
                )
    found = [0] * len(of_a)
    for stem, places in by_a.items():
        for place, counterpart in zip(places, by_b[stem], strict=True):
            found[place] = counterpart
    return found


def _by_stem(names: Sequence[str]) -> dict[str, list[int]]:
    """Places of names, by what they are without their suffix, however accents are spelled."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        stem = str(PurePosixPath(unicodedata.normalize("NFC", name)).with_suffix(""))
        found.setdefault(stem, []).append(place)
    return found
