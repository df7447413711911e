"""Which files a section depends on: every one of them, by name and content, and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.data_schema import EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.data import fingerprint
from coral_action.file_index import FileIndex

BASE = {"images": "images", "labels": "labels.csv", "class_names": "names.txt"}
EVALUATIONS: dict[str, dict[str, Any]] = {
    "images": BASE,
    "images by input": {"images": {"a": "images", "b": "masks"}, "labels": "folders"},
    "list": {"images": "list.txt", "labels": "folders"},
    "glob": {"images": "images/*/*.png", "labels": "folders"},
    "masks": {"images": "images", "masks": "masks"},
    "boxes": {"images": "images", "boxes": "boxes.json"},
    "reference": {"images": "images", "labels": "folders", "reference": "other.tflite"},
    "npy": {"npy": {"a": "a.npy", "b": "b.npy"}},
    "npz": {"npz": "a.npz"},
    "tfrecord": {"tfrecord": {"files": "records", "features": {"a": {}}}},
    "csv": {"csv": {"file": "rows.csv"}},
    "wav": {"wav": {"files": "clips"}},
}
FILES = {
    "images": ["images/cat/1.png", "images/dog/2.png", "labels.csv", "names.txt"],
    "images by input": ["images/cat/1.png", "masks/cat/1.png"],
    "list": ["list.txt", "images/cat/1.png"],
    "glob": ["images/dog/2.png"],
    "masks": ["images/cat/1.png", "masks/dog/2.png"],
    "boxes": ["boxes.json"],
    "reference": ["other.tflite"],
    "npy": ["a.npy", "b.npy"],
    "npz": ["a.npz"],
    "tfrecord": ["records/1.tfrecord"],
    "csv": ["rows.csv"],
    "wav": ["clips/1.wav"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One of everything; what is in the files does not matter here."""
    root = tmp_path / "repository"
    for name in {file for files in FILES.values() for file in files} | {"unrelated/notes.txt"}:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")
    (root / "list.txt").write_text("images/cat/1.png\nimages/dog/2.png\n", encoding="utf-8")
    return root


def found(folder: Path, section: dict[str, Any], root: Path | None = None) -> str | None:
    config = EvaluationConfig.model_validate(section)
    return fingerprint(config, PathRules(folder, root), FileIndex().digests)


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_every_file_counts(folder: Path, kind: str) -> None:
    before = found(folder, EVALUATIONS[kind])
    assert before is not None
    for name in FILES[kind]:
        kept = (folder / name).read_bytes()
        (folder / name).write_bytes(kept + b"images/dog/2.png\n")
        assert found(folder, EVALUATIONS[kind]) != before, name
        (folder / name).write_bytes(kept)
    assert found(folder, EVALUATIONS[kind]) == before


@pytest.mark.parametrize("kind", EVALUATIONS)
def test_other_files_and_the_place_do_not_count(folder: Path, tmp_path: Path, kind: str) -> None:
    before = found(folder, EVALUATIONS[kind])
    (folder / "unrelated/notes.txt").write_text("changed")
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    assert found(moved, EVALUATIONS[kind]) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda images: (images / "cat/3.png").write_text("new"),
        lambda images: (images / "cat/1.png").unlink(),
        lambda images: (images / "cat/1.png").rename(images / "dog/1.png"),
        lambda images: (images / "cat/1.png").rename(images / "cat/0.png"),
    ],
    ids=["added", "removed", "moved", "renamed"],
)
def test_names_count(folder: Path, change: Callable[[Path], None]) -> None:
    before = found(folder, BASE)
    change(folder / "images")
    assert found(folder, BASE) != before


def test_an_empty_class_folder_counts(folder: Path) -> None:
    section = EVALUATIONS["images by input"]
    before = found(folder, section)
    (folder / "images" / "ant").mkdir()  # now a cat is class 1
    changed = found(folder, section)
    assert before != changed
    (folder / "images" / "ant").rename(folder / "images" / "emu")  # one class more, behind both
    assert found(folder, section) not in (before, changed)


def test_class_folders_without_files_count(folder: Path) -> None:
    """The classes after one have other numbers, where folders number them."""
    numbered, listed = {"images": "images", "labels": "folders"}, BASE
    before = found(folder, numbered), found(folder, listed)
    (folder / "images/bird").mkdir()
    assert found(folder, numbered) not in (None, before[0])
    assert found(folder, listed) == before[1]


def test_swapped_contents_are_a_change(folder: Path) -> None:
    before = found(folder, BASE)
    one, two = folder / "images/cat/1.png", folder / "images/dog/2.png"
    contents = one.read_bytes(), two.read_bytes()
    two.write_bytes(contents[0])
    one.write_bytes(contents[1])
    assert found(folder, BASE) != before


def test_files_that_can_not_be_read_count_as_such(folder: Path) -> None:
    """A run may leave some out (`max_bad_files`); one that is mended is a change."""
    (folder / "list.txt").write_text("images/cat/1.png\nimages/missing.png\n")
    section = EVALUATIONS["list"]
    before = found(folder, section)
    assert before is not None
    (folder / "images/missing.png").write_text("here")
    assert found(folder, section) not in (None, before)


@pytest.mark.parametrize(
    "section",
    [
        {"python": "data.py:samples"},
        {"images": "images", "labels": "folders", "metrics": [{"python": "m.py:score"}]},
        {"images": "nowhere"},
        {"images": "../outside"},
    ],
)
def test_what_a_hash_can_not_tell_has_none(folder: Path, section: dict[str, Any]) -> None:
    (folder.parent / "outside").mkdir()
    (folder.parent / "outside/1.png").write_text("x")
    assert found(folder, section, root=folder) is None


def test_link_out_of_the_workspace_has_none(folder: Path) -> None:
    (folder.parent / "secret.png").write_text("x")
    assert found(folder, BASE, root=folder) is not None
    (folder / "images/cat/link.png").symlink_to(folder.parent / "secret.png")
    assert found(folder, BASE, root=folder) is None
