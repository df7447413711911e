"""The reusable workflow holds together: with the command line, with the plan, and with its docs."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from harness import PROJECT

from coral_action.cli import cli
from coral_action.commands.plan import plan
from coral_action.scale.plan_file import Job

WORKFLOW = PROJECT / ".github" / "workflows" / "quantize-matrix.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
# YAML 1.1 reads the key `on` as true.
DATA: dict[Any, Any] = yaml.safe_load(TEXT)
INPUTS = DATA[True]["workflow_call"]["inputs"]
JOB = Job(id="m001", name="a 1/2", model="a", shard="1/2", arguments="--model a", seconds=1)


def steps() -> list[tuple[str, str]]:
    """The job and the arguments of each step that runs the program."""
    return [
        (name, " ".join(step["with"]["args"].split()))
        for name, job in DATA["jobs"].items()
        for step in job["steps"]
        if step.get("uses", "").startswith("docker://")
    ]


def filled(arguments: str) -> str:
    """Expressions replaced: by an input's default, a field of the matrix, or their own text."""

    def value(match: re.Match[str]) -> str:
        words = match[1].strip()
        if (chosen := re.search(r"&& '([^']*)'", words)) is not None:
            return chosen[1]
        where, _, name = words.partition(".")
        return str(INPUTS[name]["default"] if where == "inputs" else getattr(JOB, name))

    return re.sub(r"\$\{\{(.*?)\}\}", value, arguments)


@pytest.mark.parametrize(("job", "arguments"), steps())
def test_the_command_line_takes_the_arguments(
    job: str, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("coral-made", "coral-parts", ".coral-matrix"):
        (tmp_path / folder).mkdir()
    (tmp_path / ".coral-matrix" / "changed").touch()
    group: Any = cli
    words = shlex.split(filled(arguments))
    while hasattr(group, "get_command"):
        found = group.get_command(None, words.pop(0))
        assert found is not None, arguments
        group = found
    with CliRunner().isolation():
        group.make_context("coral-quantize", words)  # parses, and runs nothing


def test_every_program_of_the_workflow_is_used() -> None:
    names = [(job, arguments.split()[0]) for job, arguments in steps()]
    assert names == [
        ("plan", "plan"),
        ("quantize", "compiler"),
        ("quantize", "run"),
        ("evaluate", "run"),
        ("merge", "merge"),
        ("merge", "comment"),
    ]


def test_it_reads_what_the_plan_writes() -> None:
    assert set(re.findall(r"matrix\.(\w+)", TEXT)) - {"yml"} <= set(Job.model_fields)
    outputs = set(re.findall(r"steps\.plan\.outputs\.([\w-]+)", TEXT))
    (option,) = [o for o in plan.params if o.name == "github_output"]
    words = str(getattr(option, "help", ""))
    assert outputs == {"matrix", "jobs", "evaluate-matrix", "evaluate-jobs"}
    assert all(output in words for output in outputs)


def test_the_inputs_are_documented() -> None:
    text = (PROJECT / "docs" / "scale.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \| `?([\w.-]+)`? \|", text, re.MULTILINE))
    defaults = {name: str(given["default"]) for name, given in INPUTS.items()}
    assert rows == {
        name: d.lower() if d in ("True", "False") else d for name, d in defaults.items()
    }


def test_rights_are_few_and_the_job_that_comments_checks_out_nothing() -> None:
    assert DATA["permissions"] == {}
    rights = {name: job["permissions"] for name, job in DATA["jobs"].items()}
    assert rights == {
        "plan": {"contents": "read", "actions": "read"},
        "quantize": {"contents": "read"},
        "evaluate": {"contents": "read"},
        "merge": {"pull-requests": "write"},
    }
    uses = [step.get("uses", "") for step in DATA["jobs"]["merge"]["steps"]]
    assert not any(use.startswith("actions/checkout") for use in uses)
    pinned = re.findall(r"uses: (actions/\S+)", TEXT)
    assert all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", use) for use in pinned)
