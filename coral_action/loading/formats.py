"""Which format a model has, told by its content and not by its name."""

from __future__ import annotations

from pathlib import Path

from coral_action.errors import ModelError
from coral_action.tflite import FILE_IDENTIFIER

SAVED_MODEL = "saved_model"
FROZEN_GRAPH = "frozen_graph"
KERAS = "keras"
KERAS_H5 = "keras_h5"

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"


def detect_format(path: Path) -> str:
    """The format of a model file or folder.

    Raises:
        ModelError: if there is nothing, or nothing that can be loaded.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return SAVED_MODEL
        raise ModelError(
            f"{path}: a folder without saved_model.pb is no SavedModel",
            hint="name the folder that holds saved_model.pb and variables/",
        )
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: no such file or folder",
            hint="`source` in coral.yml is relative to the folder of coral.yml",
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error
    if head.startswith(_HDF5_MAGIC):
        return KERAS_H5
    if head.startswith(_ZIP_MAGIC):
        return KERAS
    if head[4:8] == FILE_IDENTIFIER:
        raise ModelError(
            f"{path}: .tflite sources can't be quantized yet",
            hint="name the SavedModel, Keras file or frozen graph that it was made from",
        )
    return FROZEN_GRAPH
