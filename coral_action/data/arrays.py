"""One .npy file read row by row: nothing is unpickled, mapped or kept in memory."""

from __future__ import annotations

import os
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, overload

import numpy as np

from coral_action.data.files import printable, require_regular
from coral_action.data.samples import Array
from coral_action.errors import DataError


class ArrayFile:
    """A .npy on disk; rows lie along the first axis.

    Raises:
        DataError: if it can't be read, is no .npy, is cut short, holds Python objects or no rows.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        """Take over an unbuffered file; it is closed with this object."""
        weakref.finalize(self, file.close)
        self._name = name
        self._file = file
        file.seek(0)
        self.shape, self._fortran, self.dtype = read_header(self._file, name)
        self._start = self._file.tell()
        held = self._file.seek(0, os.SEEK_END) - self._start
        if held < nbytes(self.shape, self.dtype):
            raise DataError(
                f"{name}: cut short: {held:,} of {nbytes(self.shape, self.dtype):,} bytes"
            )
        if not self.shape:
            raise DataError(f"{name}: holds no samples", hint="samples lie along the first axis")
        if self._fortran:  # rows are scattered over the file: only mapping can pick them out
            self._mapped = np.memmap(file, self.dtype, "r", self._start, self.shape, order="F")

    def __len__(self) -> int:
        return self.shape[0]

    def row(self, index: int) -> Array:
        """One row, in memory of its own."""
        if self._fortran:
            return np.array(self._mapped[index])
        size = nbytes(self.shape[1:], self.dtype)
        content = os.pread(self._file.fileno(), size, self._start + index * size)
        if len(content) != size:
            raise DataError(f"{self._name}: cut short at row {index}")
        return np.frombuffer(content, self.dtype).reshape(self.shape[1:])


class RowNames(Sequence[str]):
    """`data.npy[0]`, `data.npy[1]`, ... without a list of them."""

    def __init__(self, file: str, count: int) -> None:
        self._file = file
        self._rows = range(count)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self._name(row) for row in self._rows[index]]
        return self._name(self._rows[index])

    def _name(self, row: int) -> str:
        return f"{self._file}[{row}]"


def open_npy(path: Path) -> ArrayFile:
    """A .npy that coral.yml names; errors as `ArrayFile`."""
    require_regular(path, "npy")
    name = printable(path.name)
    try:
        return ArrayFile(path.open("rb", buffering=0), name)
    except OSError as error:
        raise DataError(f"{name}: can't be read ({error.strerror})") from error


def read_header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, Fortran order and dtype; the file then stands at the first element.

    Raises:
        DataError: if it is no .npy (format 1.0 or 2.0), or holds anything but numbers.
    """
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:  # 3.0 is for structured arrays with Unicode names
            raise DataError(f"{name}: .npy format {version[0]}.{version[1]} is not supported")
    except (ValueError, EOFError, SyntaxError) as error:
        raise DataError(
            f"{name}: no .npy array that can be read ({(str(error).splitlines() or ['empty'])[0]})",
            hint="save it with numpy.save",
        ) from error
    if dtype.hasobject:
        raise DataError(
            f"{name}: holds pickled Python objects, which are not loaded",
            hint="save an array of numbers: np.stack(...), not dtype=object",
        )
    if dtype.fields is not None or dtype.kind not in "biuf":
        raise DataError(f"{name}: {dtype} is no number type")
    return tuple(int(side) for side in shape), bool(fortran), dtype


def nbytes(shape: Sequence[int], dtype: np.dtype[np.generic]) -> int:
    """Bytes of an array, in Python's integers, which a hostile shape can't overflow."""
    size = int(dtype.itemsize)
    for side in shape:
        size *= side
    return size
