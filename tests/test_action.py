"""The action as the runner starts it: inputs by environment, outputs and summary by file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT, DemoRun, parse_outputs, runner_environment


@pytest.fixture
def workspace(digits: Path, tmp_path: Path) -> Path:
    """A checked-out repository with one model."""
    folder = tmp_path / "workspace"
    shutil.copytree(digits, folder, ignore=shutil.ignore_patterns("saved_model", "*.py"))
    text = (folder / "coral.yml").read_text()
    (folder / "coral.yml").write_text(text.replace("64 KiB", "48 KiB"))
    return folder


def start(workspace: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], Path, Path]:
    """Run entrypoint.py with the runner's environment, and the token that a child must not see."""
    output, summary = workspace.parent / "output", workspace.parent / "summary"
    output.touch()
    summary.touch()
    given = {"config": "coral.yml", "compiler": "none", **inputs}
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(workspace.parent),
        **runner_environment(workspace, output, summary, given),
    }
    finished = subprocess.run(
        [sys.executable, PROJECT / "entrypoint.py"],
        cwd=workspace.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return finished, output, summary


def test_outputs_and_summary(workspace: Path) -> None:
    finished, output, summary = start(workspace, models="digits_keras")
    assert finished.returncode == 0, finished.stderr
    outputs = parse_outputs(output.read_text())
    assert outputs["passed"] == "true"
    assert outputs["files"] == "coral-output/digits_keras_int8.tflite"
    assert outputs["cpu-operators"] == "0"
    assert float(outputs["accuracy-drop"]) <= 1.0
    for kind in ("report", "markdown", "html"):
        assert (workspace / outputs[kind]).is_file()
    assert "1 model passed" in summary.read_text()
    assert "::group::digits_keras" in finished.stderr


def test_failure_is_an_annotation_and_an_exit_code(workspace: Path) -> None:
    (workspace / "model.keras").unlink()
    finished, output, summary = start(workspace, models="digits_keras")
    assert finished.returncode == 3
    # Line 10 of coral.yml is where this model begins.
    assert "::error file=coral.yml,line=10,title=coral-quantize::" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert parse_outputs(output.read_text())["passed"] == "false"
    assert "1 of 1 model failed" in summary.read_text()


def test_second_step_finds_what_the_first_one_left(demo: DemoRun, workspace: Path) -> None:
    """Two models at once; one fails, and does so again: only successes are kept."""
    shutil.copyfile(next(demo.cache.rglob("float.tflite")), workspace / "float.tflite")
    text = (workspace / "coral.yml").read_text()
    (workspace / "coral.yml").write_text(
        text.replace("source: saved_model", "source: float.tflite")
    )
    (workspace / "model.keras").write_bytes(b"no model")
    inputs = {"models": "digits_saved_model digits_keras", "jobs": "2"}
    for _ in range(2):
        finished, _, _ = start(workspace, **inputs, cache=".coral-cache")
        assert finished.returncode == 3, finished.stderr
    report = json.loads((workspace / "coral-output/report.json").read_text())
    good, bad = report["models"]
    assert (good["status"], good["from_cache"]) == ("ok", ["loading", "quantization", "evaluation"])
    assert bad["status"] == "failed"
    assert "from_cache" not in bad
    assert (workspace / good["files"]["int8"]).is_file()
    # The lines of each model are one group, whichever was done first.
    lines = [line.partition(":")[0] for line in finished.stderr.splitlines() if "cache" in line]
    assert lines == ["digits_saved_model"] * 3
    groups = [line for line in finished.stderr.splitlines() if "group::" in line]
    assert groups[1] == groups[3] == "::endgroup::"


def test_config_outside_of_the_workspace(workspace: Path) -> None:
    finished, _, _ = start(workspace, config="../coral.yml")
    assert finished.returncode == 2
    assert "outside of the workspace" in finished.stderr


def test_source_outside_of_the_workspace(workspace: Path, digits: Path) -> None:
    text = (workspace / "coral.yml").read_text()
    outside = str(digits / "model.keras")
    (workspace / "coral.yml").write_text(text.replace("model.keras", outside))
    finished, _, _ = start(workspace, models="digits_keras")
    assert finished.returncode == 2
    assert "outside of the workspace" in finished.stderr
