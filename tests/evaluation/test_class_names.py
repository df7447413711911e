"""Classes go by their names, wherever coral.yml has them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from coral_action.config.data_schema import EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.data import class_names
from tests.evaluation.conftest import Case

DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@pytest.fixture
def labelled(digits_case: Case, tmp_path: Path) -> Case:
    """The first two test images of each digit, with a table and a list of class names."""
    rows = []
    (tmp_path / "test").mkdir()
    for number, name in enumerate(DIGITS):
        for place, image in enumerate(
            sorted((digits_case.base / "data/test" / str(number)).iterdir())[:2]
        ):
            shutil.copyfile(image, tmp_path / "test" / f"{number}-{place}.png")
            rows.append(f"{number}-{place}.png,{name}")
    (tmp_path / "labels.csv").write_text("file,label\n" + "\n".join(rows) + "\n")
    (tmp_path / "names.txt").write_text("\n".join(DIGITS) + "\n")
    return Case(tmp_path, digits_case.config, digits_case.model, digits_case.int8)


def test_of_a_table_with_a_list_of_classes(labelled: Case) -> None:
    accuracy = labelled.evaluate("{images: test, labels: labels.csv, class_names: names.txt}")
    assert accuracy.confusion is not None
    assert accuracy.confusion.classes == tuple(DIGITS)
    assert {loss.name for loss in accuracy.classes} == set(DIGITS)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"labels": "names.txt"}, {3: "three fish", 7: "cat"}),
        ({"labels": "t.csv", "class_names": "names.txt"}, {3: "three fish", 7: "cat"}),
        ({"labels": "t.csv"}, {}),
        ({"labels": "folders"}, {}),
        ({}, {}),
    ],
)
def test_by_number(tmp_path: Path, section: dict, expected: dict) -> None:
    (tmp_path / "names.txt").write_text("7 cat\n3 three fish\n")
    config = EvaluationConfig.model_validate({"images": "a", **section})
    assert class_names(config, PathRules(tmp_path)) == expected
