"""Finding models and data in a repository, by what files are and by what folders are called."""

from __future__ import annotations

import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coral_action.errors import ModelError
from coral_action.loading import detect_format

_PASSED_OVER = frozenset(
    {"node_modules", "__pycache__", "venv", "env", "build", "dist", "site-packages", "coral-output"}
)
_MODEL_SUFFIXES = frozenset({".pb", ".keras", ".h5", ".hdf5", ".tflite", ".onnx"})
_IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
_COMPILED = "_edgetpu.tflite"
# Best first; a folder's or file's own name counts, then those of the folders around it.
_CALIBRATION_WORDS = ("calib", "representative", "train", "sample")
_EVALUATION_WORDS = ("test", "eval", "val", "holdout")


@dataclass(frozen=True)
class FoundModel:
    """A model that can be loaded: path relative to the repository, format, a name for it."""

    path: str
    format: str
    name: str


@dataclass(frozen=True)
class FoundData:
    """A set of samples: `images`, `npy` or `npz`; with `classes` folders, or labels in the file."""

    path: str
    kind: str
    samples: int | None
    labelled: bool


def find_models(root: Path) -> list[FoundModel]:
    """All models below a folder that can be loaded, in the order of their paths."""
    found: list[tuple[str, str]] = []
    for folder, folders, files in _walk(root):
        if "saved_model.pb" in files:
            folders.clear()  # what is inside belongs to this model
            candidates = [folder]
        else:
            candidates = [
                folder / name
                for name in sorted(files)
                if Path(name).suffix.lower() in _MODEL_SUFFIXES and not name.endswith(_COMPILED)
            ]
        for candidate in candidates:
            try:
                format_ = detect_format(candidate)[0]
            except ModelError:
                continue
            found.append((candidate.relative_to(root).as_posix(), format_))
    names = _names([path for path, _ in found])
    return [FoundModel(path, kind, name) for (path, kind), name in zip(found, names, strict=True)]


def find_data(root: Path) -> list[FoundData]:
    """All sets of samples below a folder: image folders, .npy and .npz files."""
    counts: dict[Path, int] = {}
    arrays: list[FoundData] = []
    for folder, folders, files in _walk(root):
        if "saved_model.pb" in files:
            folders.clear()
            continue
        images = sum(Path(name).suffix.lower() in _IMAGE_SUFFIXES for name in files)
        if images:
            counts[folder] = images
        for name in sorted(files):
            path = (folder / name).relative_to(root).as_posix()
            if name.endswith(".npy"):
                arrays.append(FoundData(path, "npy", None, labelled=False))
            elif name.endswith(".npz"):
                arrays.append(FoundData(path, "npz", None, labelled=_has_labels(folder / name)))
    return [*_image_sets(root, counts), *arrays]


def choose_calibration(found: list[FoundData]) -> FoundData | None:
    """The set that looks most like a representative dataset, None if there is nothing."""
    return min(found, key=lambda data: (_rank(data, _CALIBRATION_WORDS), data.path), default=None)


def choose_evaluation(found: list[FoundData], calibration: FoundData | None) -> FoundData | None:
    """The labelled set that looks most like test data; never the one that calibrates."""
    labelled = [data for data in found if data.labelled and data != calibration]
    return min(labelled, key=lambda data: (_rank(data, _EVALUATION_WORDS), data.path), default=None)


def _walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(
            name for name in folders if name[0] != "." and name.lower() not in _PASSED_OVER
        )
        yield Path(folder), folders, files


def _image_sets(root: Path, counts: dict[Path, int]) -> list[FoundData]:
    """Folders of images; two or more of them side by side are the classes of one set."""
    children: dict[Path, list[Path]] = {}
    for folder in counts:
        children.setdefault(folder.parent, []).append(folder)
    sets = []
    for parent, folders in sorted(children.items()):
        roles = (*_CALIBRATION_WORDS, *_EVALUATION_WORDS)
        named = any(word in folder.name.lower() for folder in folders for word in roles)
        if len(folders) > 1 and parent not in counts and not named:
            total = sum(counts[folder] for folder in folders)
            sets.append(FoundData(_relative(parent, root), "images", total, labelled=True))
        else:
            sets += [
                FoundData(_relative(folder, root), "images", counts[folder], labelled=False)
                for folder in sorted(folders)
            ]
    return sets


def _relative(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()


def _has_labels(path: Path) -> bool:
    """Whether an .npz has `y`; only its table of contents is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            return "y.npy" in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _rank(data: FoundData, words: tuple[str, ...]) -> int:
    """How well a path fits a role: small is good; the other role's words are bad."""
    text = data.path.lower()
    for rank, word in enumerate(words):
        if word in text:
            return rank
    other = _EVALUATION_WORDS if words is _CALIBRATION_WORDS else _CALIBRATION_WORDS
    return len(words) + any(word in text for word in other)


def _names(paths: list[str]) -> list[str]:
    """A short and unique name for each model, fit to be a file name."""
    names: list[str] = []
    for path in paths:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "_", Path(path).stem or "model").strip("._-") or "model"
        name, number = stem[:90], 2
        while name.lower() in {taken.lower() for taken in names}:
            name, number = f"{stem[:90]}_{number}", number + 1
        names.append(name)
    return names
