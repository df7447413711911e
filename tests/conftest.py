"""Fixtures that all tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT, Command, DemoRun, Finished
from hypothesis import settings

# Timings are no asserts; and CI tries the same examples each time, so that red means a change.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")

# No test may be shown what an earlier one left; tests of the cache name a folder of their own.
os.environ["CORAL_QUANTIZE_CACHE"] = "none"

# These build an image, as root; tests/container/run sets the stage for them.
collect_ignore = [] if "CORAL_CONTAINER_STATE" in os.environ else ["container"]


@pytest.fixture(scope="session")
def digits() -> Path:
    """The example: one model in three forms, with calibration and test images."""
    return PROJECT / "examples" / "digits"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real models, data and compiler recordings that are not part of the project."""
    folder = Path(os.environ.get("CORAL_CORPUS", PROJECT.parent / "shared")).resolve()
    if not (folder / "cases").is_dir():
        pytest.skip(f"no corpus at {folder}: set CORAL_CORPUS to run this test")
    return folder


@pytest.fixture(scope="session")
def command() -> Command:
    """`coral-quantize WORDS...` as a user starts it: a process of its own."""

    def start(*words: object, cwd: Path = PROJECT, **environment: str) -> Finished:
        finished = subprocess.run(
            [sys.executable, "-m", "coral_action", *map(str, words)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return Finished(finished.returncode, finished.stdout, finished.stderr)

    return start


@pytest.fixture(scope="session")
def demo(command: Command, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """`coral-quantize run` on examples/digits, without a compiler, with an empty cache."""
    output, cache = tmp_path_factory.mktemp("demo"), tmp_path_factory.mktemp("demo-cache")
    words = ("--config", digits / "coral.yml", "--output", output, "--compiler", "none")
    finished = command("run", *words, "--cache", cache)
    assert finished.code == 0, finished.stderr
    return DemoRun(output, cache, finished, json.loads((output / "report.json").read_text()))
