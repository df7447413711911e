"""The label file beside a model, as those read it who use it on a board."""

from __future__ import annotations

from pathlib import Path

import pytest

from coral_action.data import read_labels_file
from coral_action.metadata import numbered_label_text
from tests.report.pycoral_stand_in import read_label_file


@pytest.mark.parametrize(
    ("labels", "first"),
    [
        (["cat", "house finch", "größer"], "cat"),
        (["0", "1", "2"], "0"),
        (["1 euro", "2 euro", "50 cent"], "0 1 euro"),
        (["cat", "2 dogs"], "0 cat"),
        (["a", "16:9"], "0 a"),
    ],
)
def test_each_name_is_that_of_its_class(labels: list[str], first: str, tmp_path: Path) -> None:
    """By pycoral's rules, and by ours when the file is named in coral.yml."""
    path = tmp_path / "labels.txt"
    path.write_text(numbered_label_text(labels), encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines()[0] == first
    assert read_label_file(str(path)) == dict(enumerate(labels))
    assert read_labels_file(path) == labels
