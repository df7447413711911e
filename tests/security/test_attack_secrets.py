"""A full run with faults, as a runner starts it: afterwards the token is nowhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests/fakes

from fakes.github_server import GitHubServer
from fakes.github_state import REPOSITORY, TOKEN
from harness import PROJECT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

CONFIG = """version: 1
models:
  - name: good
    source: saved_model
    calibration: {images: data/calibration, samples: 8}
    preprocess: {preset: keras.mobilenet}
    limits: {int8_size: 1 KiB}
  - name: broken
    source: broken.tflite
    calibration: {images: data/calibration}
  - name: crashing
    source: saved_model
    calibration: {python: "hook.py:crash", samples: 4}
  - name: looking
    source: saved_model
    calibration: {python: "hook.py:look", samples: 4}
"""
HOOK = """
import ctypes, os, subprocess, sys

def seen():
    # What a debugger, a core file or a log of the environment would show.
    said = [repr(dict(os.environ)), repr(sys.argv), open("/proc/self/environ").read()]
    said.append(open("/proc/self/cmdline").read())
    return chr(10).join(said)

def crash():
    print(seen())
    subprocess.run(["env"])
    ctypes.string_at(0)
    yield {}

def look():
    raise ValueError(seen().replace(chr(10), " ").replace(chr(0), " "))
    yield {}
"""


@dataclass
class Job:
    """A finished job: everything that anybody can see of it."""

    folder: Path
    finished: subprocess.CompletedProcess[str]
    server: GitHubServer

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Iterator[Job]:
    folder = tmp_path_factory.mktemp("job")
    workspace, runner = folder / "workspace", folder / "runner"
    shutil.copytree(
        digits, workspace, ignore=shutil.ignore_patterns("*.py", "*.keras", "frozen.pb", "test")
    )
    runner.mkdir()
    for name in ("output", "summary", "env", "path", "state"):
        (runner / name).touch()
    (workspace / "coral.yml").write_text(CONFIG)
    (workspace / "hook.py").write_text(HOOK)
    (workspace / "broken.tflite").write_bytes(b"\x1c\0\0\0TFL3" + b"\xff" * 4000)
    temporary = folder / "temporary"
    temporary.mkdir(mode=0o777)
    with GitHubServer().running() as server:
        event = folder / "event.json"
        event.write_text(json.dumps({"number": 7, "pull_request": server.state.add_pull(7)}))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(temporary),
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": server.url,
            "GITHUB_ENV": str(runner / "env"),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_OUTPUT": str(runner / "output"),
            "GITHUB_PATH": str(runner / "path"),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "1",
            "GITHUB_SHA": "f" * 40,
            "GITHUB_STATE": str(runner / "state"),
            "GITHUB_STEP_SUMMARY": str(runner / "summary"),
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_WORKSPACE": str(workspace),
            "INPUT_ALLOW_CUSTOM_CODE": "true",
            "INPUT_CHECKS": "true",
            "INPUT_COMPILER": "none",
            "INPUT_TOKEN": TOKEN,
            "RUNNER_DEBUG": "1",  # with all details in the log
        }
        unlimited = 'ulimit -c unlimited; exec "$0" "$1"'
        finished = subprocess.run(
            ["sh", "-c", unlimited, sys.executable, PROJECT / "entrypoint.py"],
            cwd=workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        yield Job(folder, finished, server)


def test_the_run_had_its_faults(job: Job) -> None:
    """Else the rest shows nothing."""
    report = json.loads((job.folder / "workspace" / "coral-output" / "report.json").read_text())
    statuses = {model["name"]: model["status"] for model in report["models"]}
    assert statuses.pop("good") == "limit_exceeded"
    assert set(statuses.values()) == {"failed"}
    errors = {model["name"]: model.get("error") for model in report["models"]}
    assert "died with SIGSEGV" in errors["crashing"]["message"]
    assert "'HOME'" in errors["looking"]["message"]
    assert job.finished.returncode == 3
    assert len(job.server.state.comments) == 1
    assert "PATH=" in job.finished.stderr  # what `env` printed is in the details


def test_not_in_the_log(job: Job) -> None:
    assert TOKEN not in job.finished.stdout + job.finished.stderr


def test_not_in_any_file(job: Job) -> None:
    """Models, reports, runner files, whatever is left of temporary files, core files."""
    files = job.files()
    assert {"report.html", "good_int8.tflite", "summary", "output"} <= {path.name for path in files}
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


def test_no_core_files_and_nothing_temporary(job: Job) -> None:
    assert [path for path in job.files() if path.name.startswith("core")] == []
    assert list((job.folder / "temporary").iterdir()) == []


def test_not_on_github(job: Job) -> None:
    state = job.server.state
    said = json.dumps([state.comments, state.checks, state.releases], default=str)
    assert "looking" in said
    assert TOKEN not in said
