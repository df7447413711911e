"""The files that the compiler leaves: their names, and taking them to where they belong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from coral_action.edgetpu.log import Row, parse_log
from coral_action.errors import CompilerError
from coral_action.output_files import is_regular, open_regular, take_file

# A delegate search over a large model prints hundreds of long lines.
KEPT_OUTPUT_BYTES = 16 * 2**20
_MAX_FILE_BYTES = 2**31  # what a flatbuffer can hold


def compiled_files(folder: Path, stem: str) -> list[Path]:
    """The compiled files of a model: one, or its segments in order; links are none of them."""
    whole = folder / f"{stem}_edgetpu.tflite"
    if is_regular(whole):
        return [whole]
    segments = folder.glob(_segments(stem))
    return sorted(filter(is_regular, segments), key=lambda path: (len(path.name), path.name))


def keep_files(files: Sequence[Path], folder: Path) -> list[Path]:
    """Take files to a folder, where they replace what has their names.

    Raises:
        CompilerError: if one can't be taken.
    """
    try:
        for path in files:
            take_file(path, folder / path.name, _MAX_FILE_BYTES)
    except OSError as error:
        raise CompilerError(f"a compiled file can't be kept: {error}") from error
    return [folder / path.name for path in files]


def is_of(name: str, model: Path) -> bool:
    """Whether a name is one that the compiled files of a model, or the log of them, have."""
    stem = re.escape(model.stem)
    pattern = rf"{stem}(_edgetpu\.log|(_segment_\d{{1,4}}_of_\d{{1,4}})?_edgetpu\.tflite)"
    return re.fullmatch(pattern, name, re.ASCII) is not None


def log_path(model: Path) -> Path:
    """Where the compiler's output for a model goes."""
    return model.with_name(f"{model.stem}_edgetpu.log")


def old_files(model: Path) -> list[Path]:
    """What an earlier compilation left, so that it is never taken for this one's."""
    whole = model.with_name(f"{model.stem}_edgetpu.tflite")
    found = (whole, *model.parent.glob(_segments(model.stem)))
    return [path for path in found if path.is_file() or path.is_symlink()]


def table_of(log: Path) -> list[Row]:
    """The operator table of the compiler's own .log file, where its output had none."""
    try:
        with open_regular(log, KEPT_OUTPUT_BYTES) as file:
            said = file.read()
    except OSError:
        return []
    models = parse_log(said.decode("utf-8", "replace")).models
    return models[0].rows if models else []


def _segments(stem: str) -> str:
    """The pattern of the names of a model's segments."""
    escaped = "".join(f"[{c}]" if c in "[*?" else c for c in stem)
    return f"{escaped}_segment_*_of_*_edgetpu.tflite"
