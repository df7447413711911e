"""The class number of each file: from class folders, a list of class names, or a table."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from pathlib import Path

from coral_action.config.data_schema import DataSection
from coral_action.config.paths import PathRules
from coral_action.data.files import FileSet, printable, read_regular
from coral_action.errors import DataError

_HEADERS = ({"file", "filename", "image", "path", "name"}, {"label", "class", "category"})
# "12  house finch": the number that Coral's and TensorFlow's label files put first.
_MOST_CLASSES = 100_000
_NUMBERED = re.compile(r"(\d+)[\s:]+(\S.*)")


def read_labels(files: FileSet, config: DataSection, rules: PathRules) -> list[int] | None:
    """The class number of each file, where `labels` in coral.yml says it.

    Raises:
        DataError: naming the first file without a label, or the line that can't be read.
    """
    labels, names = config.labels, config.class_names
    if labels is None:
        return None
    if labels.lower().endswith(".csv"):
        numbers = read_class_names(rules.resolve(names)) if names else None
        return _from_table(files, rules.resolve(labels), numbers)
    numbers = None if labels == "folders" else read_class_names(rules.resolve(labels))
    return _from_folders(files, numbers)


def class_names(config: DataSection, rules: PathRules) -> dict[int, str]:
    """Class names by number, where a .txt lists them: `labels`, or `class_names` for a .csv.

    Raises:
        DataError: as `read_class_names`.
    """
    from_table = (config.labels or "").lower().endswith(".csv")
    listed = config.class_names if from_table else config.labels
    if listed is None or listed == "folders":
        return {}
    return {number: name for name, number in read_class_names(rules.resolve(listed)).items()}


def folder_names(files: FileSet) -> list[str]:
    """The class folders of files, in the order of their numbers."""
    return sorted(set(files.groups))


def read_labels_file(path: Path) -> list[str]:
    """Class names in order, "???" for numbers that have none, as in published label files.

    Raises:
        DataError: as `read_class_names`, or if there are too many.
    """
    names = {number: name for name, number in read_class_names(path).items()}
    if max(names) >= _MOST_CLASSES:
        raise DataError(f"{printable(path.name)}: class {max(names)} is too large a number")
    return [names.get(number, "???") for number in range(max(names) + 1)]


def read_class_names(path: Path) -> dict[str, int]:
    """Class numbers by name from a .txt: one name a line, numbered from 0 by line.

    If every line begins with a number of its own ("12  house finch"), that one counts.

    Raises:
        DataError: if it can't be read, is empty, or a name or number is there twice.
    """
    lines = [line.strip() for line in _text(path).splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    numbered = [_NUMBERED.fullmatch(line) for line in lines]
    entries = [(match[2], int(match[1])) for match in numbered if match]
    if not entries or len(entries) != len(lines):
        entries = [(line, number) for number, line in enumerate(lines)]
    found = dict(entries)
    if not found:
        raise DataError(f"{printable(path.name)}: no class names", hint="one class name a line")
    if len(found) != len(entries) or len(set(found.values())) != len(entries):
        raise DataError(f"{printable(path.name)}: a class is there twice")
    return found


def _from_folders(files: FileSet, numbers: Mapping[str, int] | None) -> list[int]:
    if "" in files.groups:
        raise DataError(
            f"{files.origin}: {files.names[files.groups.index('')]} lies in no class folder",
            hint="`labels: folders` takes one folder for each class, such as data/test/cat/1.png",
        )
    if numbers is None:
        numbers = {folder: number for number, folder in enumerate(folder_names(files))}
    unknown = sorted(set(files.groups) - numbers.keys())
    if unknown:
        raise DataError(
            f"{files.origin}: the folder {unknown[0]} is no class of the list of class names",
            hint=f"it holds {', '.join(list(numbers)[:5])}, ...",
        )
    return [numbers[folder] for folder in files.groups]


def _from_table(files: FileSet, path: Path, numbers: Mapping[str, int] | None) -> list[int]:
    """From rows `file,label`: files relative to the samples' folder, or else to the table's."""
    known: dict[str, int] = {}
    for line, (file, label) in _rows(path):
        number = _number(label, numbers)
        if number is None:
            raise DataError(
                f"{printable(path.name)}:{line}: {label!r} is no class"
                + ("" if numbers else " number"),
                hint="name the file of class names as `class_names`"
                if numbers is None
                else f"the class names are {', '.join(list(numbers)[:5])}, ...",
            )
        if known.setdefault(os.path.normpath(file), number) != number:
            raise DataError(f"{printable(path.name)}:{line}: {printable(file)} has two labels")
    found = []
    for relative, name in zip(files.paths, files.names, strict=True):
        from_table = os.path.relpath(files.base / relative, path.parent)
        label_of = known.get(os.path.normpath(relative), known.get(from_table))
        if label_of is None:
            raise DataError(
                f"{printable(path.name)}: no label for {name}",
                hint="rows are `file,label`, files relative to the samples' folder or the table",
            )
        found.append(label_of)
    return found


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


def _number(label: str, numbers: Mapping[str, int] | None) -> int | None:
    if numbers is not None and label in numbers:
        return numbers[label]
    return int(label) if numbers is None and label.isascii() and label.isdigit() else None


def _text(path: Path) -> str:
    try:
        return read_regular(path, printable(path.name)).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{printable(path.name)}: not UTF-8 text (byte {error.start})") from error
