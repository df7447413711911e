"""The image at work: as the step of a workflow, and in a person's hands."""

from __future__ import annotations

import hashlib
import html
import json
import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import runner

FORMS = ("digits_saved_model", "digits_keras", "digits_frozen_graph")
MOUNT = "/github/workspace"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_outputs_and_summary(runner_digits: tuple[runner.Finished, Path]) -> None:
    finished, workspace = runner_digits
    assert finished.outputs["passed"] == "true"
    assert [m["name"] for m in json.loads(finished.outputs["models"])] == list(FORMS)
    assert finished.outputs["cpu-operators"] == "0"
    assert float(finished.outputs["accuracy-drop"]) <= 1.0
    for name in finished.outputs["files"].splitlines():
        assert (workspace / name).is_file()
    for kind in ("report", "markdown", "html"):
        assert (workspace / finished.outputs[kind]).is_file()
    summary = html.unescape(finished.summary).replace("\\", "")  # as it is shown
    assert "3 models passed" in summary
    assert [name for name in FORMS if name not in summary] == []


def test_files_belong_to_the_workspace_s_owner(
    runner_digits: tuple[runner.Finished, Path],
) -> None:
    _, workspace = runner_digits
    assert runner.owners(workspace) == {runner.OWNER}


def test_slimming_changes_no_result(runner_digits: tuple[runner.Finished, Path], demo: Any) -> None:
    """The same bytes as from the whole packages, installed on this machine."""
    _, workspace = runner_digits
    for name in FORMS:
        file = f"{name}_int8.tflite"
        assert digest(workspace / "coral-output" / file) == digest(demo.output / file)


def test_without_a_compiler_it_says_how_to_get_one(image: str, workspace: Path) -> None:
    finished = runner.run_as_runner(image, workspace, {"config": "coral.yml"})
    assert finished.code == 2
    assert "the Edge TPU compiler was not found" in finished.stderr
    assert re.search("accept-(compiler-)?terms|coral[.]ai/docs/edgetpu/compiler", finished.stderr)
    assert "Traceback" not in finished.stderr


def test_a_wrong_config_is_an_annotation(image: str, workspace: Path) -> None:
    finished = runner.run_as_runner(image, workspace, {"config": "absent.yml", "compiler": "none"})
    assert finished.code == 2
    assert "::error title=coral-quantize::" in finished.stderr


def test_by_hand(image: str, workspace: Path) -> None:
    """`docker run --rm -v "$PWD:/github/workspace" IMAGE` runs the coral.yml of the folder."""
    options = ["--network", "none", "--volume", f"{workspace}:{MOUNT}"]
    refused = runner.start(options, image)
    assert refused.returncode == 2
    assert "compiler was not found" in refused.stderr
    words = ("run", "--compiler", "none", "--model", "digits_keras")
    finished = runner.start(options, image, *words)
    assert finished.returncode == 0, finished.stderr
    assert (workspace / "coral-output" / "digits_keras_int8.tflite").is_file()
    assert runner.owners(workspace) == {runner.OWNER}
    checked = runner.start(options, image, "check", "coral-output/digits_keras_int8.tflite")
    assert checked.returncode == 0, checked.stderr
    assert "on the Edge TPU" in checked.stdout


def test_any_user_no_home_nothing_writable(image: str, workspace: Path) -> None:
    """With `--user`, an unwritable HOME and a read-only system, all but the workspace and /tmp."""
    finished = runner.start(
        [
            *("--network", "none", "--read-only", "--tmpfs", "/tmp"),
            *("--user", "{}:{}".format(*runner.OWNER), "--env", "HOME=/nonexistent"),
            *("--volume", f"{workspace}:{MOUNT}"),
        ],
        image,
        *("run", "--compiler", "none", "--model", "digits_saved_model"),
    )
    assert finished.returncode == 0, finished.stderr
    assert runner.owners(workspace) == {runner.OWNER}


def test_another_working_folder(image: str, workspace: Path) -> None:
    """`--workdir` wins over the mount's usual place."""
    shutil.move(workspace / "coral.yml", workspace / "data" / "coral.yml")
    finished = runner.start(
        ["--network", "none", "--volume", f"{workspace}:/elsewhere", "--workdir", "/elsewhere"],
        image,
        *("run", "--compiler", "none"),
    )
    assert finished.returncode == 2
    assert "coral.yml" in finished.stderr


def test_colours_on_a_terminal(image: str, workspace: Path) -> None:
    """With `-t` as a person has it: a terminal, so colours."""
    controller, terminal = pty.openpty()
    options = ["--rm", "-t", "--network", "none", "--volume", f"{workspace}:{MOUNT}"]
    words = ["run", "--compiler", "none", "--model", "digits_keras"]
    process = subprocess.Popen(
        ["podman", "run", *options, image, *words],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    )
    os.close(terminal)
    shown = b""
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
    except OSError:
        pass  # how a terminal says that its other end is closed
    os.close(controller)
    assert process.wait(60) == 0, shown.decode(errors="replace")
    assert b"\x1b[" in shown
    assert b"passed" in shown


def test_stops_when_asked(image: str, workspace: Path) -> None:
    """A cancelled job; the first process of a container must ask for SIGTERM to get it."""
    name = f"coral-stop-{os.getpid()}"
    process = subprocess.Popen(
        [
            *("podman", "run", "--rm", "--name", name, "--network", "none"),
            *("--volume", f"{workspace}:{MOUNT}", image, "run", "--compiler", "none"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 60
        while not (workspace / "coral-output").is_dir() and time.monotonic() < deadline:
            time.sleep(0.2)
        assert (workspace / "coral-output").is_dir(), "the job did not begin"
        subprocess.run(["podman", "kill", "--signal", "TERM", name], check=True)
        assert process.wait(60) == 128 + 15
    finally:
        subprocess.run(["podman", "rm", "--force", "--ignore", name], capture_output=True)
    assert runner.owners(workspace) == {runner.OWNER}
