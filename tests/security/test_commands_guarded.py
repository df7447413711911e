"""Commands that load a model refuse a strange commit where the event's token can write."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Command
from repositories import git
from test_policy_checkout import Job

from coral_action.cli import COMMANDS

LOADING = {
    "run": ("run", "--compiler", "none"),
    "plan": ("plan",),
    "preview": ("preview",),
    "check": ("check", "m.tflite"),
    "inspect": ("inspect", "m.tflite"),
    "inspect-original": ("inspect", "/dev/null", "--original", "m.tflite"),
    "compile": ("compile", "m.tflite", "--compiler", "true"),
    "diagnose": ("diagnose", "m.tflite", "--compiler", "true"),
    "init": ("init", "--yes"),
}
# `demo` loads what the program came with, by way of `run`.
NONE_LOADED = {"comment", "compiler", "completion", "demo", "merge", "release", "report", "schema"}
REFUSED = "no model is loaded"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_every_command_is_looked_at() -> None:
    assert set(COMMANDS) == NONE_LOADED | {words[0] for words in LOADING.values()}


@pytest.mark.parametrize("name", LOADING)
def test_a_strangers_commit_is_refused(job: Job, name: str, command: Command) -> None:
    environment = job.environment("pull_request_target", job.target())
    words = LOADING[name]
    before = command(*words, cwd=job.workspace, **environment)
    assert REFUSED not in before.stderr  # the base's own: it fails later, for want of models
    git(job.workspace, "checkout", "--quiet", job.head)
    refused = command(*words, cwd=job.workspace, **environment)
    assert refused.code == 2
    assert REFUSED in refused.stderr
    # A file from elsewhere, as of a step before, is as good as the checkout.
    if "m.tflite" in words:
        moved = [str(job.workspace.parent / word) if word == "m.tflite" else word for word in words]
        assert REFUSED in command(*moved, cwd=job.workspace, **environment).stderr
    allowed = command(*words, "--allow-untrusted-checkout", cwd=job.workspace, **environment)
    assert REFUSED not in allowed.stderr


def test_preview_stays_in_the_workspace(tmp_path: Path, command: Command) -> None:
    """In CI as the action does, and with `--workspace`."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (tmp_path / "m.keras").write_text("x")
    (workspace / "coral.yml").write_text(
        "version: 1\nmodels:\n  - {name: a, source: ../m.keras, calibration: {images: c}}\n"
    )
    outside = "../m.keras: outside of the workspace"
    by_option = command("preview", "--workspace", str(workspace), cwd=workspace)
    assert outside in by_option.stderr
    by_runner = command("preview", cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert outside in by_runner.stderr
    assert outside not in command("preview", cwd=workspace).stderr
