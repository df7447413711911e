"""The inputs and outputs: read, refused, and the same in action.yml, code and documentation."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import PROJECT

from coral_action.errors import UsageError
from coral_action.github.inputs import ActionInputs, FailOn
from coral_action.github.outputs import outputs_of

from .reports import a_model, a_report

ACTION: dict[str, Any] = yaml.safe_load((PROJECT / "action.yml").read_text())
DOCUMENT = PROJECT / "README.md"


def read(tmp_path: Path, **inputs: str) -> ActionInputs:
    return ActionInputs.from_environment({"GITHUB_WORKSPACE": str(tmp_path), **inputs})


def table(kind: str) -> str:
    """The table of the inputs or outputs, as it has to stand in the documentation."""
    described = ACTION[kind]
    if kind == "outputs":
        rows = [f"| `{name}` | {item['description']} |" for name, item in described.items()]
        return "\n".join(["| Output | Meaning |", "|---|---|", *rows])
    rows = [
        f"| `{name}` | {default(item['default'])} | {item['description']} |"
        for name, item in described.items()
    ]
    return "\n".join(["| Input | Default | Meaning |", "|---|---|---|", *rows])


def default(value: str) -> str:
    return f"`{value}`" if value else ""


@pytest.mark.parametrize("kind", ["inputs", "outputs"])
def test_documentation_has_the_table(kind: str) -> None:
    text = DOCUMENT.read_text()
    found = re.search(rf"<!-- {kind} -->\n(.*?)\n?<!-- /{kind} -->", text, re.DOTALL)
    assert found is not None
    assert found[1] == table(kind)


def test_action_has_what_the_code_reads() -> None:
    fields = {field.name.replace("_", "-") for field in dataclasses.fields(ActionInputs)}
    assert fields - {"workspace", "place"} | {"token"} == set(ACTION["inputs"])
    assert set(outputs_of(a_report(), "out")) == set(ACTION["outputs"])


def test_defaults_are_those_of_the_action(tmp_path: Path) -> None:
    given = {f"INPUT_{n.upper()}": i["default"] for n, i in ACTION["inputs"].items()}
    assert read(tmp_path, **given) == read(tmp_path)


@pytest.mark.parametrize("separator", ["-", "_"])
def test_hyphens_and_underscores(tmp_path: Path, separator: str) -> None:
    names = ("COMMENT-KEY", "RELEASE-TAG", "FAIL-ON")
    values = ("nightly", "refs/tags/v1", "Never")
    given = {f"INPUT_{n.replace('-', separator)}": v for n, v in zip(names, values, strict=True)}
    inputs = read(tmp_path, **given)
    assert (inputs.comment_key, inputs.release_tag, inputs.fail_on) == ("nightly", "v1", "never")


def test_everything_given(tmp_path: Path) -> None:
    inputs = read(
        tmp_path,
        INPUT_MODELS="a, b\nc",
        INPUT_BASELINE="old/report.json",
        INPUT_CHECKS="Yes",
        INPUT_JOBS="4",
        INPUT_CACHE=".cache/coral",
        **{"INPUT_RELEASE-FILES": "labels/*.txt\n\n notes.md \n", "INPUT_COMMENT": "recreate"},
    )
    assert inputs.models == ("a", "b", "c")
    assert inputs.baseline == tmp_path / "old" / "report.json"
    assert inputs.release_files == ("labels/*.txt", "notes.md")
    assert (inputs.checks, inputs.jobs, inputs.comment) == (True, 4, "recreate")
    assert inputs.cache == tmp_path / ".cache" / "coral"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("JOBS", "0", "above 0"),
        ("CACHE", "../cache", "outside of the workspace"),
        ("JOBS", "9" * 5000, "above 0"),
        ("COMMENT", "maybe", "none of update, recreate, off"),
        ("FAIL-ON", "x", "none of limits, errors, never"),
        ("CHECKS", "2", "neither true nor false"),
        ("COMMENT-KEY", "a b", "comment key"),
        ("BASELINE", "../x", "outside of the workspace"),
        ("OUTPUT", "/tmp", "outside of the workspace"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, value: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read(tmp_path, **{f"INPUT_{name}": value})


@pytest.mark.parametrize(
    ("fail_on", "codes", "result"),
    [
        ("limits", [0], 0),
        ("limits", [1], 1),
        ("limits", [1, 5], 5),
        ("errors", [1], 0),
        ("errors", [1, 3], 3),
        ("errors", [1, 5], 5),
        ("never", [1, 3, 4, 5], 0),
        ("never", [2], 2),
    ],
)
def test_fail_on(fail_on: str, codes: list[int], result: int) -> None:
    assert FailOn(fail_on).exit_code(codes) == result


def test_outputs() -> None:
    worse = a_model("worse", status="limit_exceeded", accuracy=None)
    worse["placement"] = worse["placement"] | {"cpu": 4}
    made = outputs_of(a_report(a_model(), worse), "out", comment_url="https://x")
    assert made == {
        "report": "out/report.json",
        "markdown": "out/report.md",
        "html": "out/report.html",
        "passed": "false",
        "models": '[{"name": "digits", "status": "ok"}, '
        '{"name": "worse", "status": "limit_exceeded"}]',
        "files": "coral-output/digits_int8.tflite\ncoral-output/worse_int8.tflite",
        "accuracy-drop": "0.5000",
        "cpu-operators": "5",
        "comment-url": "https://x",
        "release-url": "",
    }
