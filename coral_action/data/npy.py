"""One .npy array: samples along the first axis, fed to one input as they are."""

from __future__ import annotations

from pathlib import Path

from coral_action.data.arrays import RowNames, open_npy
from coral_action.data.files import printable
from coral_action.data.samples import Reading, digest_of


class NpySource:
    """Samples of a .npy, read one by one; pickles are refused."""

    classes = None

    def __init__(self, path: Path, input_name: str) -> None:
        self._input = input_name
        self._array = open_npy(path)
        self.names = RowNames(printable(path.name), len(self._array))

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        inputs = {self._input: self._array.row(index)}
        return Reading(inputs, None, digest_of(inputs))

    def digest(self, index: int) -> str:
        """SHA-256 of the row."""
        return self.read(index).digest
