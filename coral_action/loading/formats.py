"""Which format a model has, told by its content and not by its name; runs in the child process."""

from __future__ import annotations

import zipfile
from pathlib import Path

from coral_action.errors import ModelError
from coral_action.loading import foreign, protobuf
from coral_action.tflite import FILE_IDENTIFIER

SAVED_MODEL = "saved_model"
FROZEN_GRAPH = "frozen_graph"
KERAS = "keras"
KERAS_H5 = "keras_h5"
TFLITE = "tflite"
ONNX = "onnx"

_HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
_ZIP_MAGIC = b"PK\x03\x04"
_HEAD_BYTES = 4096
# No flatbuffer or protocol buffer can be larger, and nothing near it fits the Edge TPU.
MAX_MODEL_BYTES = 2**31


def detect_format(path: Path) -> tuple[str, Path]:
    """The format of a model file or folder, and where the model begins.

    The path comes back as it is, but for `saved_model.pb`, which stands for its folder.

    Raises:
        ModelError: if there is nothing, or nothing that can be loaded; the message says what the
            file is, the hint how to export something that can be loaded.
    """
    if path.is_dir():
        _check_folder(path)
        return SAVED_MODEL, path
    head = _head(path)
    if not head:
        raise ModelError(
            f"{path}: an empty file",
            hint="the download or export did not finish",
            topic="damaged-file",
        )
    if head.startswith(_HDF5_MAGIC):
        return KERAS_H5, path
    if head[4:8] == FILE_IDENTIFIER:
        return TFLITE, path
    if head.startswith(_ZIP_MAGIC):
        return _zip_format(path), path
    foreign.refuse(path, head)
    return _protobuf_format(path)


def _head(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_BYTES:
            raise ModelError(
                f"{path}: {size:,} bytes are too many for a model ({MAX_MODEL_BYTES:,} at most)",
                hint="an Edge TPU model has some megabytes: is this the right file?",
            )
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: no such file or folder",
            hint="`source` in coral.yml is relative to the folder of coral.yml",
            topic="model-not-found",
        ) from error
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error


def _check_folder(path: Path) -> None:
    """Refuse folders that are no SavedModel, or whose files are only Git LFS pointers."""
    graph = path / "saved_model.pb"
    if not graph.is_file():
        foreign.refuse_folder(path)
    for file in [graph, *sorted((path / "variables").glob("variables.*"))]:
        if file.is_file():
            foreign.refuse_lfs_pointer(file, _head(file))


def _zip_format(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise ModelError(
            f"{path}: a damaged zip archive ({error})",
            hint="a .keras file is a zip archive: the download or copy did not finish",
            topic="damaged-file",
        ) from error
    if "config.json" in names:
        return KERAS
    raise foreign.zip_error(path, names)


def _protobuf_format(path: Path) -> tuple[str, Path]:
    """Tell the protocol buffers apart by the numbers and kinds of their first fields."""
    kind = protobuf.message_kind(path)
    if kind == protobuf.GRAPH_DEF:
        return FROZEN_GRAPH, path
    if kind == protobuf.ONNX_MODEL:
        return ONNX, path
    if kind == protobuf.SAVED_MODEL:
        if path.name == "saved_model.pb":
            _check_folder(path.parent)
            return SAVED_MODEL, path.parent
        raise ModelError(
            f"{path}: the graph file of a SavedModel, without its folder",
            hint="name it saved_model.pb, beside its `variables` folder, and name that folder",
        )
    if kind == protobuf.META_GRAPH:
        raise ModelError(
            f"{path}: a MetaGraph, which has a graph but no weights",
            hint="restore it with its checkpoint (tf.compat.v1.train.import_meta_graph) and save a "
            "SavedModel (tf.compat.v1.saved_model.simple_save)",
        )
    raise ModelError(
        f"{path}: not a model that is known here",
        hint="known are: SavedModel folder, frozen .pb, .keras, .h5, .tflite and .onnx; if it is "
        "one of these, the file is damaged",
        topic="not-a-known-model",
    )
