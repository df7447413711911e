"""A .csv of numbers: one sample a row, columns to inputs, fed as they are."""

from __future__ import annotations

import csv
import math
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from coral_action.config.source_schema import CsvSource
from coral_action.data.arrays import RowNames
from coral_action.data.files import printable, read_regular, require_regular
from coral_action.data.samples import InputSpec, Reading, digest_of
from coral_action.data.tfrecord import shaped
from coral_action.errors import DataError

MAX_FILE_BYTES = 512 << 20  # a table is kept in memory, 8 bytes a number


class CsvTable:
    """Samples of a table; values fill an input of any shape row by row."""

    def __init__(self, path: Path, config: CsvSource, specs: Sequence[InputSpec]) -> None:
        require_regular(path, "csv")
        self._file = printable(path.name)
        self._specs = {spec.name: spec for spec in specs}
        header, values, count = self._parse(path, config.delimiter)
        table = np.frombuffer(values, np.float64).reshape(count, -1)
        columns = header or [str(number) for number in range(table.shape[1])]
        places = self._places(columns, config)
        self._inputs = {name: table[:, chosen] for name, chosen in places.items()}
        for name, chosen in self._inputs.items():
            shaped(chosen[0], self._specs[name].shape, f"{self._file}: columns of input {name}")
        self.classes = None
        if config.label is not None:
            self.classes = self._classes(table[:, self._place(config.label, columns)], config.label)
        self.names = RowNames(self._file, count)

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        inputs = {
            name: values[index].reshape(self._specs[name].shape)
            for name, values in self._inputs.items()
        }
        return Reading(inputs, self.classes[index] if self.classes else None, digest_of(inputs))

    def digest(self, index: int) -> str:
        """SHA-256 of the values."""
        return self.read(index).digest

    def _parse(self, path: Path, delimiter: str) -> tuple[list[str] | None, array[float], int]:
        """Column names if the first row holds any, all numbers by row, and the number of rows."""
        try:
            text = read_regular(path, self._file, MAX_FILE_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{self._file}: not UTF-8 text (byte {error.start})") from error
        reader = csv.reader(text.splitlines(), delimiter=delimiter, strict=True)
        header: list[str] | None = None
        width, count = 0, 0
        values = array("d")
        try:
            for row in reader:
                if not row:
                    continue
                if not width:
                    width = len(row)
                    if any(_number(cell) is None for cell in row):
                        header = [cell.strip() for cell in row]
                        continue
                self._add(row, header, width, reader.line_num, values)
                count += 1
        except csv.Error as error:
            raise DataError(f"{self._file}:{reader.line_num}: {error}") from error
        if not count:
            raise DataError(f"{self._file}: no samples", hint="one sample a row")
        return header, values, count

    def _add(
        self, row: list[str], header: list[str] | None, width: int, line: int, values: array[float]
    ) -> None:
        if len(row) != width:
            raise DataError(
                f"{self._file}:{line}: {len(row)} columns, but the first row has {width}"
            )
        for place, cell in enumerate(row):
            number = _number(cell)
            if number is None or not math.isfinite(number):
                column = header[place] if header else str(place)
                what = "no number" if number is None else "not finite"
                shown = f"column {printable(column[:40])}: {cell[:40]!r}"
                raise DataError(
                    f"{self._file}:{line}: {shown} is {what}",
                    hint="there is a single column: set `delimiter` to what separates its numbers"
                    if width == 1
                    else "every column must hold numbers; leave text columns out of the file",
                )
            values.append(number)

    def _places(self, columns: list[str], config: CsvSource) -> Mapping[str, list[int]]:
        if config.columns is not None:
            if self._specs.keys() != config.columns.keys():
                raise DataError(
                    f"csv.columns names {', '.join(config.columns)}, but the model's inputs are "
                    f"{', '.join(self._specs)}"
                )
            return {
                name: [self._place(column, columns) for column in chosen]
                for name, chosen in config.columns.items()
            }
        if len(self._specs) != 1:
            raise DataError(
                f"{self._file}: the model has {len(self._specs)} inputs",
                hint="say which columns feed which as `csv.columns: {input: [a, b]}`",
            )
        label = None if config.label is None else self._place(config.label, columns)
        name = next(iter(self._specs))
        return {name: [place for place in range(len(columns)) if place != label]}

    def _place(self, column: str, columns: list[str]) -> int:
        if columns.count(column) != 1:
            there = "is there twice" if column in columns else "is not there"
            raise DataError(
                f"{self._file}: the column {printable(column)} {there}",
                hint=f"its columns are {', '.join(map(printable, columns[:20]))}",
            )
        return columns.index(column)

    def _classes(
        self, values: np.ndarray[tuple[int], np.dtype[np.float64]], name: str
    ) -> list[int]:
        bad = np.flatnonzero((values != np.rint(values)) | (values < 0))
        if len(bad):
            raise DataError(
                f"{self._file}[{bad[0]}]: {printable(name)} is {values[bad[0]]:g}, no class number"
            )
        return [int(value) for value in values]


def _number(cell: str) -> float | None:
    """A number as people write it; Python's `1_000` and `infinity` aside, what float() takes."""
    text = cell.strip()
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None
