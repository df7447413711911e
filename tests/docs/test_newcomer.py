"""From an empty folder with a model and images to the comment, with the README's words only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shell_lines
import yaml
from fakes.github_server import GitHubServer
from fakes.github_state import REPOSITORY, TOKEN
from harness import PROJECT
from pages import of

README = PROJECT / "README.md"
# What installing takes with pip's cache cold was measured by hand: docs/performance.md.
SECONDS = 300


@pytest.fixture
def repository(digits: Path, tmp_path: Path) -> Path:
    """What a newcomer has: a SavedModel and images."""
    folder = tmp_path / "repository"
    shutil.copytree(digits / "saved_model", folder / "models" / "digits")
    shutil.copytree(digits / "data", folder / "data")
    return folder


class Newcomer:
    """Types what the README says, with a clock running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.end = time.monotonic() + SECONDS

    def start(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            list(map(str, words)),
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder.parent), **environment},
            capture_output=True,
            text=True,
            timeout=self.end - time.monotonic(),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done


def commands() -> list[list[str]]:
    """The commands of the README's first block; the first of them installs."""
    first = next(block for block in of("sh") if block.page == README)
    install, *others = shell_lines.lines(first.text)
    assert install[:2] == ["pip", "install"]
    assert [words[:2] for words in others] == [
        ["coral-quantize", command] for command in ("init", "run", "check")
    ]
    return others


def test_first_comment(repository: Path) -> None:
    newcomer = Newcomer(repository)
    program = (sys.executable, "-m", "coral_action")
    said = [
        newcomer.start(*program, *words[1:], PYTHONPATH=str(PROJECT)).stdout for words in commands()
    ]
    assert "operators are expected on the Edge TPU" in said[-1]
    assert (repository / "coral-output" / "report.html").is_file()

    # The runner starts the step of the workflow that `init` wrote, on a pull request.
    workflow = yaml.safe_load((repository / ".github/workflows/coral.yml").read_text())
    (step,) = [s for s in workflow["jobs"]["quantize"]["steps"] if "coral-quantize" in s["uses"]]
    given = {f"INPUT_{name.upper()}": str(value) for name, value in step["with"].items()}
    with GitHubServer().running() as server:
        event = repository.parent / "event.json"
        event.write_text(json.dumps({"number": 7, "pull_request": server.state.add_pull(7)}))
        newcomer.start(
            sys.executable,
            PROJECT / "entrypoint.py",
            GITHUB_ACTIONS="true",
            GITHUB_WORKSPACE=str(repository),
            GITHUB_OUTPUT=str(repository.parent / "output"),
            GITHUB_STEP_SUMMARY=str(repository.parent / "summary"),
            GITHUB_EVENT_PATH=str(event),
            GITHUB_EVENT_NAME="pull_request",
            GITHUB_REPOSITORY=REPOSITORY,
            GITHUB_API_URL=server.url,
            GITHUB_SHA="f" * 40,
            GITHUB_RUN_ID="1",
            GITHUB_JOB="quantize",
            GITHUB_WORKFLOW="coral",
            INPUT_TOKEN=TOKEN,
            **given,
        )
        (comment,) = server.state.comments.values()
        assert server.unknown == []
    assert "1 model passed" in comment["body"]
    assert "<code>digits</code>" in comment["body"]
