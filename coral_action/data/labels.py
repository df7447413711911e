"""The class number of each file: from class folders, a list of class names, or a table."""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from coral_action.config.data_schema import DataSection
from coral_action.config.paths import PathRules
from coral_action.data.files import FileSet, printable, read_regular
from coral_action.errors import DataError

_HEADERS = ({"file", "filename", "image", "path", "name"}, {"label", "class", "category"})
_MOST_CLASSES = 100_000
NO_NAME = "???"
# "12  house finch": the number that Coral's and TensorFlow's label files put first.
_NUMBERED = re.compile(r"(\d+)[\s:]+(\S.*)")


@dataclass(frozen=True)
class ClassNames:
    """A list of class names, in which a name may occur more than once.

    ImageNet's has two classes "crane", and COCO's lists say "???" for numbers that have no class.

    Attributes:
        by_number: the name of each class.
        file: what the list is called, for errors.
    """

    by_number: Mapping[int, str]
    file: str

    @cached_property
    def _numbers(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, name in self.by_number.items():
            if name != NO_NAME:
                found.setdefault(unicodedata.normalize("NFC", name), []).append(number)
        return found

    def number(self, name: str) -> int | None:
        """The class of this name, however its accents are spelled; None if there is none.

        Raises:
            DataError: if several classes have it.
        """
        numbers = self._numbers.get(unicodedata.normalize("NFC", name), [])
        if len(numbers) > 1:
            shown = " and ".join(map(str, numbers[:3]))
            raise DataError(
                f"{self.file}: the classes {shown} are all called {printable(name)}, so the name "
                "does not say which is meant",
                hint="give these classes different names, or label by number in a .csv",
            )
        return numbers[0] if numbers else None

    def some(self) -> str:
        """The first few names, for hints."""
        return ", ".join(printable(name) for name in list(self._numbers)[:5]) + ", ..."


def read_labels(files: FileSet, config: DataSection, rules: PathRules) -> list[int] | None:
    """The class number of each file, where `labels` in coral.yml says it.

    Raises:
        DataError: naming the first file without a label, or the line that can't be read.
    """
    labels, names = config.labels, config.class_names
    if labels is None:
        return None
    if labels.lower().endswith(".csv"):
        known = read_class_names(rules.resolve(names)) if names else None
        return _from_table(files, rules.resolve(labels), known)
    listed = None if labels == "folders" else read_class_names(rules.resolve(labels))
    return _from_folders(files, listed)


def class_names(config: DataSection, rules: PathRules) -> dict[int, str]:
    """Class names by number, where a .txt lists them: `labels`, or `class_names` for a .csv.

    Raises:
        DataError: as `read_class_names`.
    """
    from_table = (config.labels or "").lower().endswith(".csv")
    listed = config.class_names if from_table else config.labels
    if listed is None or listed == "folders":
        return {}
    return dict(read_class_names(rules.resolve(listed)).by_number)


def read_labels_file(path: Path) -> list[str]:
    """Class names in order, "???" for numbers that have none, as in published label files.

    Raises:
        DataError: as `read_class_names`, or if there are too many.
    """
    names = read_class_names(path).by_number
    if max(names) >= _MOST_CLASSES:
        raise DataError(f"{printable(path.name)}: class {max(names)} is too large a number")
    return [names.get(number, NO_NAME) for number in range(max(names) + 1)]


def read_class_names(path: Path) -> ClassNames:
    """The names in a .txt: one name a line, numbered from 0 by line.

    If every line begins with a number of its own ("12  house finch"), that one counts.

    Raises:
        DataError: if it can't be read, is empty, or a number is there twice.
    """
    file = printable(path.name)
    lines = [line.strip() for line in _text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    entries = [(int(match[1]), match[2]) for match in numbered if match]
    if not entries or len(entries) != len(lines):
        entries = list(enumerate(lines))
    if not entries:
        raise DataError(f"{file}: no class names", hint="one class name a line")
    found: dict[int, str] = {}
    for line, (number, name) in enumerate(entries, start=1):
        if number in found:
            raise DataError(
                f"{file}:{line}: class {number} is there twice, as {printable(found[number])} and "
                f"{printable(name)}",
                hint="number every class once, or leave the numbers out: then lines count from 0",
            )
        found[number] = name
    return ClassNames(found, file)


def _from_folders(files: FileSet, listed: ClassNames | None) -> list[int]:
    if "" in files.groups:
        raise DataError(
            f"{files.origin}: {files.names[files.groups.index('')]} lies in no class folder",
            hint="`labels: folders` takes one folder for each class, such as data/test/cat/1.png",
        )
    if listed is None:
        places = {folder: number for number, folder in enumerate(files.folders)}
        return [places[folder] for folder in files.groups]
    numbers: dict[str, int] = {}
    for folder in sorted(set(files.groups)):
        number = listed.number(folder)
        if number is None:
            raise DataError(
                f"{files.origin}: the folder {folder} is no class of the list of class names",
                hint=f"it holds {listed.some()}",
            )
        numbers[folder] = number
    return [numbers[folder] for folder in files.groups]


def _from_table(files: FileSet, path: Path, listed: ClassNames | None) -> list[int]:
    """From rows `file,label`: files relative to the samples' folder, or else to the table's."""
    known: dict[str, int] = {}
    for line, (file, label) in _rows(path):
        number = _class_number(label) if listed is None else listed.number(label)
        if number is None:
            raise _no_class(f"{printable(path.name)}:{line}: {printable(label)!r}", label, listed)
        if known.setdefault(_path_key(file), number) != number:
            raise DataError(f"{printable(path.name)}:{line}: {printable(file)} has two labels")
    found = []
    for relative, name in zip(files.paths, files.names, strict=True):
        from_table = os.path.relpath(files.base / relative, path.parent)
        label_of = known.get(_path_key(relative), known.get(_path_key(from_table)))
        if label_of is None:
            raise DataError(
                f"{printable(path.name)}: no label for {name}",
                hint="rows are `file,label`, files relative to the samples' folder or the table",
            )
        found.append(label_of)
    return found


def _path_key(path: str) -> str:
    """What equal paths have in common, however their accents are spelled."""
    return unicodedata.normalize("NFC", os.path.normpath(path))


def _no_class(shown: str, label: str, listed: ClassNames | None) -> DataError:
    """The error for a label that no class has."""
    if listed is not None:
        return DataError(f"{shown} is no class", hint=f"the class names are {listed.some()}")
    if re.fullmatch(r"-?[\d.]+", label):
        return DataError(f"{shown} is no class number", hint="classes are whole numbers from 0")
    return DataError(
        f"{shown} is no class number", hint="name the file of class names as `class_names`"
    )


def _rows(path: Path) -> list[tuple[int, tuple[str, str]]]:
    """Line number, file and label of each row; a first row of column names says which is which."""
    reader = csv.reader(_text(path).splitlines(), strict=True)
    rows: list[tuple[int, tuple[str, str]]] = []
    file_column, label_column = 0, 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not rows and (header := _header(cells)) is not None:
                file_column, label_column = header
                continue
            if len(cells) <= max(file_column, label_column):
                raise DataError(
                    f"{printable(path.name)}:{reader.line_num}: a row of {len(cells)} column(s)",
                    hint="rows are `file,label`",
                )
            rows.append((reader.line_num, (cells[file_column], cells[label_column])))
    except csv.Error as error:
        raise DataError(f"{printable(path.name)}:{reader.line_num}: {error}") from error
    return rows


def _header(cells: list[str]) -> tuple[int, int] | None:
    lowered = [cell.lower() for cell in cells]
    places = [
        next((i for i, cell in enumerate(lowered) if cell in names), None) for names in _HEADERS
    ]
    file_column, label_column = places
    if file_column is None or label_column is None:
        return None
    return file_column, label_column


def _class_number(label: str) -> int | None:
    """A whole number, also as 7.0: tables are written so where some label was missing."""
    match = re.fullmatch(r"(\d{1,9})(\.0+)?", label, re.ASCII)
    return int(match[1]) if match else None


def _text(path: Path) -> str:
    try:
        return read_regular(path, printable(path.name)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path.name)}: not UTF-8 text (byte {error.start})") from error
