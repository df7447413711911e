"""Tables of the documents that list what the code has: nothing is missing, nothing is made up."""

from __future__ import annotations

import re
from typing import get_args

import pytest
from harness import PROJECT

from coral_action import errors
from coral_action.cli import COMMANDS
from coral_action.config.data_schema import SOURCES, CalibrationMethod, PresetName
from coral_action.config.evaluation_schema import METRIC_NAMES
from coral_action.config.limits_schema import LimitsConfig
from coral_action.config.schema import ModelConfig
from coral_action.report.formats import FORMATS


def first_cells(page: str, head: str) -> list[str]:
    """The code in the first cells of the table whose header line begins so."""
    lines = (PROJECT / page).read_text(encoding="utf-8").splitlines()
    (start,) = [number for number, line in enumerate(lines) if line.startswith(head)]
    found: list[str] = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        found += re.findall(r"`([^`]+)`|^(\d+)$", line.split("|")[1].strip())
    return [code or number for code, number in found]


@pytest.mark.parametrize(
    ("page", "head", "known"),
    [
        ("docs/report.md", "| `--format` |", FORMATS),
        ("docs/data.md", "| key | takes |", SOURCES),
        ("docs/data.md", "| `preset` |", get_args(PresetName)),
        ("docs/quantization.md", "| method |", set(get_args(CalibrationMethod)) - {"auto"}),
        ("README.md", "| Key of a model |", ModelConfig.model_fields),
    ],
)
def test_names(page: str, head: str, known: object) -> None:
    assert sorted(first_cells(page, head)) == sorted(known)  # type: ignore[call-overload]


def test_metrics() -> None:
    cells = first_cells("docs/accuracy.md", "| `metrics` |")
    assert sorted(cells) == sorted([*METRIC_NAMES, "{python: file.py:function}"])


def test_limits_are_all_named() -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^\| `limits` \| (.+) \|$", readme, re.MULTILINE)
    assert set(LimitsConfig.model_fields) <= set(re.findall(r"`(\w+)`", row))


def test_exit_codes() -> None:
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert sorted(map(int, first_cells("README.md", "| Code |"))) == sorted(codes)
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (order,) = re.findall(r"The worst of several wins, in the order ([\d, ]+)\.", readme)
    wanted = [int(code) for code in order.split(", ")]
    for place, code in enumerate(wanted):
        assert errors.worst_exit_code([0, *wanted[place:]]) == code


def test_every_command_is_in_the_documents() -> None:
    pages = [PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert [name for name in COMMANDS if f"coral-quantize {name}" not in text] == []
