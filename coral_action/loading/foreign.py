"""Files that are known but can't be loaded: what they are, and how to export something that can."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from coral_action.errors import ModelError

_TABLE_MAGIC = b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # the last 8 bytes of a checkpoint's .index
_TORCH_HINT = (
    "export it where it was trained: torch.onnx.export(model, example_input, 'model.onnx')"
)
_CHECKPOINT_HINT = (
    "a checkpoint has weights but no graph: load it where the model was built, and save a "
    "SavedModel with model.export(folder) or tf.saved_model.save(model, folder)"
)
_TFJS_HINT = "name the model it was made from; the weights of TensorFlow.js can't be read here"


@dataclass(frozen=True)
class Foreign:
    """A kind of file: how it begins, what it is, what to do, where there is more about it."""

    pattern: bytes
    what: str
    hint: str
    topic: str = "not-a-known-model"


_LFS = Foreign(
    rb"version https://git-lfs\.github\.com/spec/",
    "a Git LFS pointer, not the model itself",
    "fetch the file: `git lfs pull`, or `lfs: true` under `with:` of actions/checkout",
    topic="git-lfs-pointer",
)
_KNOWN = (
    _LFS,
    Foreign(
        rb"\s*(node|versions|library)\s*\{",
        "a GraphDef in text form (.pbtxt)",
        "text has no weights of use: freeze the graph with its checkpoint and save a binary .pb",
    ),
    Foreign(
        rb"\s*(meta_info_def|graph_def|saved_model_schema_version\s*:|meta_graphs)\b",
        "a MetaGraph or SavedModel in text form (.pbtxt)",
        "save it in binary form: a SavedModel folder with tf.saved_model.save",
    ),
    Foreign(rb"\s*model_checkpoint_path\s*:", "the index of a checkpoint", _CHECKPOINT_HINT),
    # torch.save before version 1.6: a pickled long with PyTorch's magic number.
    Foreign(rb"\x80.\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", "a PyTorch file", _TORCH_HINT),
    Foreign(rb"\x80[\x02-\x05]", "a Python pickle", "unpickling runs code: " + _TORCH_HINT),
    Foreign(rb"(?s).{8}\{\"", "a safetensors file, which has weights but no graph", _TORCH_HINT),
    Foreign(rb"GGUF", "a GGUF language model", "the Edge TPU runs small convolutional models only"),
    Foreign(rb"\x1f\x8b", "a gzip archive", "unpack it and name the model in it"),
    Foreign(rb"(?s).{257}ustar", "a tar archive", "unpack it and name the model in it"),
    Foreign(
        rb"(?i)\s*<(!doctype html|html)",
        "a web page, not a model",
        "the download failed and left the page that said so: fetch the model again",
    ),
    Foreign(
        rb"\s*<\?xml[^>]*>\s*<net\b",
        "an OpenVINO network",
        "name the TensorFlow or ONNX model it was made from",
    ),
    Foreign(
        rb"(?s)\s*\{.*\"(modelTopology|weightsManifest)\"", "a TensorFlow.js model", _TFJS_HINT
    ),
    Foreign(
        rb"(?s)\s*\{.*\"(class_name|keras_version)\"",
        "the architecture of a Keras model as JSON, without weights",
        "save model and weights together: model.save('model.keras')",
    ),
)


def refuse(path: Path, head: bytes) -> None:
    """Raise for a file that is known but can't be loaded; return for all others.

    Args:
        path: the file.
        head: its first bytes, at least 300 where it has so many.

    Raises:
        ModelError: what the file is, and what to do.
    """
    for kind in _KNOWN:
        if re.match(kind.pattern, head):
            raise ModelError(f"{path}: {kind.what}", hint=kind.hint, topic=kind.topic)
    if re.search(r"\.data-\d{5}-of-\d{5}$", path.name) or _ends_as_table(path):
        raise ModelError(f"{path}: part of a checkpoint", hint=_CHECKPOINT_HINT)


def refuse_lfs_pointer(path: Path, head: bytes) -> None:
    """Raise if a file inside of a model is a Git LFS pointer.

    Raises:
        ModelError: naming the file.
    """
    if re.match(_LFS.pattern, head):
        raise ModelError(f"{path}: {_LFS.what}", hint=_LFS.hint, topic=_LFS.topic)


def refuse_folder(path: Path) -> NoReturn:
    """Say what a folder without saved_model.pb is.

    Raises:
        ModelError: always.
    """
    names = sorted(child.name for child in path.iterdir())
    if "checkpoint" in names or any(name.endswith(".index") for name in names):
        raise ModelError(f"{path}: a folder of checkpoints", hint=_CHECKPOINT_HINT)
    if "model.json" in names:
        raise ModelError(f"{path}: a TensorFlow.js model", hint=_TFJS_HINT)
    if "saved_model.pbtxt" in names:
        raise ModelError(
            f"{path}: a SavedModel in text form (saved_model.pbtxt)",
            hint="load it with TensorFlow and save it in binary form: tf.saved_model.save",
        )
    inner = sorted(child.parent.name for child in path.glob("*/saved_model.pb"))
    hint = (
        f"it has SavedModels in: {', '.join(inner[:4])}"
        if inner
        else "name the folder that holds saved_model.pb and variables/"
    )
    raise ModelError(f"{path}: a folder without saved_model.pb is no SavedModel", hint=hint)


def zip_error(path: Path, names: list[str]) -> ModelError:
    """What a zip archive that is no .keras file is."""
    if any(name.endswith("data.pkl") for name in names):
        return ModelError(f"{path}: a PyTorch file", hint=_TORCH_HINT)
    models = [name for name in names if name.endswith((".tflite", "saved_model.pb", ".onnx"))]
    if models:
        return ModelError(
            f"{path}: a zip archive with a model in it ({models[0]})",
            hint="unpack it and name the model in it",
        )
    return ModelError(
        f"{path}: a zip archive, but no .keras file: it has no config.json",
        hint="save the model with model.save('model.keras')",
    )


def _ends_as_table(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 8))
        return file.read() == _TABLE_MAGIC
