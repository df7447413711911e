"""One .npz: an array for each model input (or `x`), labels as `y`, fed as they are."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coral_action.data.arrays import ArrayFile, RowNames, nbytes, read_header
from coral_action.data.files import printable, require_regular
from coral_action.data.samples import InputSpec, Label, Reading, digest_of
from coral_action.errors import DataError

# Held against the sizes that the archive declares, before anything is unpacked.
MAX_UNPACKED_BYTES = 6 << 30
_UNREADABLE = (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError)


class NpzSource:
    """Samples of a .npz, unpacked into temporary files and read one by one; pickles are refused.

    `y` holds class numbers of shape (samples,), or ones among zeros as Keras's to_categorical
    writes them; masks of integers of shape (samples, height, width); or any other numbers: the
    values that a regression is held against. Whole numbers that are stored as floats may be either.
    Calibration takes class numbers to draw by, and passes over all else.
    """

    def __init__(self, path: Path, specs: Sequence[InputSpec], *, labelled: bool) -> None:
        require_regular(path, "npz")
        self._file = printable(path.name)
        try:
            with zipfile.ZipFile(path) as archive:
                members = {n.removesuffix(".npy"): archive.getinfo(n) for n in archive.namelist()}
                keys = {spec.name: self._key(spec.name, list(members), specs) for spec in specs}
                labels = {"y"} & members.keys() - set(keys.values())  # `y` may be an input
                self._check_size([members[key] for key in labels | set(keys.values())])
                arrays = {key: self._unpack(archive, members[key]) for key in keys.values()}
                target = self._targets(archive, members["y"] if labels else None, labelled=labelled)
        except _UNREADABLE as error:
            raise DataError(
                f"{self._file}: no .npz that can be read ({(str(error).splitlines() or [''])[0]})",
                hint="save it with numpy.savez",
            ) from error
        self._arrays = {name: arrays[key] for name, key in keys.items()}
        self.classes = None if target is None else _classes(target)
        # What the floats 0.0, 7.0, 34.0 mean, only the model's output tells.
        unsure = self.classes is not None and target is not None and _may_be_values(target)
        self._targets_by_row = target if (self.classes is None or unsure) and labelled else None
        lengths = {key: len(array) for key, array in arrays.items()}
        if target is not None:
            lengths["y"] = len(target)
        if len(set(lengths.values())) != 1:
            raise DataError(
                f"{self._file}: its arrays hold different numbers of samples "
                f"({', '.join(f'{key}: {length}' for key, length in lengths.items())})"
            )
        self.names = RowNames(self._file, next(iter(lengths.values())))

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        inputs = {name: array.row(index) for name, array in self._arrays.items()}
        label: Label = None
        if self._targets_by_row is not None:
            row = self._targets_by_row.row(index)
            if not np.isfinite(row).all():
                raise DataError(
                    f"{self._file}[{index}]: y holds NaN or infinite values",
                    hint="a sample without a label can't be evaluated: leave it out",
                )
            mask = row.ndim >= 2 and row.dtype.kind in "biu"
            value = row.astype(np.int32 if mask else np.float32)
            label = value.reshape(()) if self.classes is not None else value
        elif self.classes is not None:
            label = self.classes[index]
        return Reading(inputs, label, digest_of(inputs))

    def digest(self, index: int) -> str:
        """SHA-256 of the rows."""
        return self.read(index).digest

    def _key(self, name: str, held: list[str], specs: Sequence[InputSpec]) -> str:
        if name in held:
            return name
        if len(specs) == 1 and "x" in held:
            return "x"
        raise DataError(
            f"{self._file}: no array for the input {name}",
            hint=f"it holds: {', '.join(map(printable, held[:20]))}; name an array as the input"
            + (", or x" if len(specs) == 1 else ""),
        )

    def _check_size(self, members: list[zipfile.ZipInfo]) -> None:
        declared = sum(member.file_size for member in members)
        if declared > MAX_UNPACKED_BYTES:
            raise DataError(
                f"{self._file}: {declared:,} bytes when unpacked, more than {MAX_UNPACKED_BYTES:,}",
                hint="use .npy, which is read where it lies, or fewer samples",
            )

    def _unpack(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> ArrayFile:
        name = f"{self._file}: {printable(member.filename)}"
        with archive.open(member) as packed:
            shape, _, dtype = read_header(packed, name)
            if nbytes(shape, dtype) > member.file_size:
                raise DataError(
                    f"{name}: its header declares {list(shape)} values of {dtype}, more than "
                    "the archive holds"
                )
        unpacked = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - ArrayFile closes it
        with archive.open(member) as packed:
            shutil.copyfileobj(packed, unpacked)  # ends at the declared size, or fails by its CRC
        return ArrayFile(unpacked, name)

    def _targets(
        self, archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, *, labelled: bool
    ) -> ArrayFile | None:
        """The array `y`, None if there is none; calibration does without one that is broken."""
        if member is None:
            return None
        try:
            array = self._unpack(archive, member)
        except DataError:
            if labelled:
                raise
            return None
        if labelled and array.dtype.kind not in "biuf":
            raise DataError(f"{self._file}: y is {array.dtype}, no numbers")
        return array if array.dtype.kind in "biuf" else None


def _classes(array: ArrayFile) -> list[int] | None:
    """The class of each row, None where the values are anything else."""
    if len(array.shape) == 2 and array.shape[1] > 1:
        return _one_hot(array)
    if len(array.shape) != 1 and not (len(array.shape) == 2 and array.shape[1] == 1):
        return None
    values = np.array([array.row(i) for i in range(len(array))]).reshape(len(array))
    if (values == np.rint(values)).all() and not (values < 0).any():
        return [int(value) for value in values]
    return None


def _one_hot(array: ArrayFile) -> list[int] | None:
    """The place of the one in each row; None where a row is anything but a one among zeros."""
    found = []
    for index in range(len(array)):
        row = array.row(index)
        if np.count_nonzero(row) != 1 or row.max() != 1:
            return None
        found.append(int(row.argmax()))
    return found


def _may_be_values(array: ArrayFile) -> bool:
    """Whether these classes may be measured values: floats that are not all 0 or 1."""
    if array.dtype.kind != "f" or (len(array.shape) == 2 and array.shape[1] > 1):
        return False
    return any(array.row(index).max() > 1 for index in range(len(array)))
