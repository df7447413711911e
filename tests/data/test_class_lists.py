"""Lists of class names as they are published, and class folders as they are found."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from coral_action.config.data_schema import EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.data import class_list, class_names, read_labels_file
from coral_action.errors import DataError
from tests.data.conftest import Open


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (2, 2)).save(path)


def labels_of(opened: Open, **section: str) -> list[int]:
    samples = opened({"images": "data", **section}, (1, 2, 2, 1), evaluation=True)
    return [sample.label for sample in sorted(samples, key=lambda sample: sample.name)]


# ImageNet's list has two cranes, COCO's has numbers without a class.
PUBLISHED = "crane\n???\ncrane\n???\ndog\n"


def test_names_that_occur_twice_are_names(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text(PUBLISHED)
    assert read_labels_file(tmp_path / "labels.txt") == PUBLISHED.split()
    config = EvaluationConfig.model_validate({"images": "a", "labels": "labels.txt"})
    assert class_names(config, PathRules(tmp_path)) == dict(enumerate(PUBLISHED.split()))


def test_only_an_ambiguous_name_is_refused(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "labels.txt").write_text(PUBLISHED)
    image(tmp_path / "data/dog/1.png")
    assert labels_of(opened, labels="labels.txt") == [4]
    image(tmp_path / "data/crane/1.png")
    with pytest.raises(DataError, match=r"labels\.txt: the classes 0 and 2 are all called crane"):
        labels_of(opened, labels="labels.txt")
    shutil.rmtree(tmp_path / "data/crane")
    image(tmp_path / "data/???/1.png")
    with pytest.raises(DataError, match=r"the folder \?\?\? is no class"):
        labels_of(opened, labels="labels.txt")


def test_a_number_that_occurs_twice(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("0 cat\n3 dog\n3 fox\n")
    with pytest.raises(DataError, match=r"labels\.txt:3: class 3 is there twice, as dog and fox"):
        read_labels_file(tmp_path / "labels.txt")


def test_accents_however_they_are_spelled(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "labels.txt").write_text(unicodedata.normalize("NFC", "thé\ncafé\n"))
    image(tmp_path / "data" / unicodedata.normalize("NFD", "café") / "1.png")
    assert labels_of(opened, labels="labels.txt") == [1]


def test_a_table_as_pandas_writes_it(tmp_path: Path, opened: Open) -> None:
    image(tmp_path / "data/1.png")
    (tmp_path / "t.csv").write_text("file,label\n1.png,7.0\n")
    assert labels_of(opened, labels="t.csv") == [7]
    for wrong in ("-1", "7.5"):
        (tmp_path / "t.csv").write_text(f"file,label\n1.png,{wrong}\n")
        with pytest.raises(DataError, match="no class number") as caught:
            labels_of(opened, labels="t.csv")
        assert caught.value.hint == "classes are whole numbers from 0"


def test_class_folders_without_a_file_keep_their_number(tmp_path: Path, opened: Open) -> None:
    """As Keras's image_dataset_from_directory has it."""
    image(tmp_path / "data/ant/1.png")
    image(tmp_path / "data/cat/1.png")
    (tmp_path / "data/bee").mkdir()
    (tmp_path / "data/.cache").mkdir()
    assert labels_of(opened, labels="folders") == [0, 2]
    config = EvaluationConfig.model_validate({"images": "data", "labels": "folders"})
    assert class_list(config, PathRules(tmp_path)) == ["ant", "bee", "cat"]


def test_class_folders_of_a_list_of_files(tmp_path: Path, opened: Open) -> None:
    """The class is the folder that a file lies in, whatever is above it."""
    image(tmp_path / "data/test/ant/1.png")
    image(tmp_path / "data/test/bee/1.png")
    (tmp_path / "files.txt").write_text("data/test/ant/1.png\ndata/test/bee/1.png\n")
    config = EvaluationConfig.model_validate({"images": "files.txt", "labels": "folders"})
    assert class_list(config, PathRules(tmp_path)) == ["ant", "bee"]
