"""Several sources side by side, one for each model input."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from coral_action.data.samples import Array, Reading, Source
from coral_action.errors import DataError


class ParallelSource:
    """The n-th sample takes the n-th of each part; the first part names and labels it."""

    def __init__(self, parts: Mapping[str, Source], *, match_names: bool) -> None:
        """Join the parts, given by input name.

        With `match_names`, samples must have the same names but for their suffixes.

        Raises:
            DataError: if the parts don't fit together.
        """
        self._parts = list(parts.values())
        first, *others = parts.items()
        for name, part in others:
            if match_names:
                _same_names(first[0], first[1].names, name, part.names)
            if len(part.names) != len(first[1].names):
                raise DataError(
                    f"{len(first[1].names)} samples for input {first[0]}, but {len(part.names)} "
                    f"for {name}"
                )
        self.names = first[1].names
        self.classes = first[1].classes

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        readings = [part.read(index) for part in self._parts]
        inputs: dict[str, Array] = {}
        for reading in readings:
            inputs |= reading.inputs
        return Reading(inputs, readings[0].label, _joined([r.digest for r in readings]))

    def digest(self, index: int) -> str:
        """SHA-256 of the parts' digests."""
        return _joined([part.digest(index) for part in self._parts])


def _joined(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _same_names(a: str, of_a: Sequence[str], b: str, of_b: Sequence[str]) -> None:
    stems = [{str(PurePosixPath(name).with_suffix("")) for name in names} for names in (of_a, of_b)]
    for name, missing in ((b, stems[0] - stems[1]), (a, stems[1] - stems[0])):
        if missing:
            raise DataError(
                f"input {name} has no file {min(missing)}",
                hint="files of several inputs belong together by name: left/1.png, right/1.png",
            )
