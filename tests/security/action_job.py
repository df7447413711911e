"""The action as a job on a pull request, with a stand-in for GitHub and one for the pipeline."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests/fakes

from fakes.github_server import GitHubServer
from fakes.github_state import REPOSITORY, TOKEN

from coral_action import action
from coral_action.config.schema import Config
from coral_action.errors import CoralQuantizeError
from coral_action.github.clock import Clock
from coral_action.report.model import Report


class Job:
    """A job on a pull request whose coral.yml differs from the base branch's."""

    def __init__(self, folder: Path, server: GitHubServer) -> None:
        self.server = server
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        self.event = folder / "event.json"
        self.payload: dict[str, Any] = {"number": 7, "pull_request": server.state.add_pull(7)}
        self.seen: list[Config] = []
        model = {"name": "digits", "status": "ok", "source": {"path": "m"}}
        self.result = Report.from_data({"schema_version": 1, "tool": {}, "models": [model]})
        self.errors: dict[str, CoralQuantizeError] = {}
        self.variables = {
            "GITHUB_ACTIONS": "true",
            "GITHUB_WORKSPACE": str(self.workspace),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_EVENT_PATH": str(self.event),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": server.url,
            "GITHUB_SHA": "f" * 40,
            "INPUT_TOKEN": TOKEN,
            "INPUT_COMPILER": "none",
            "INPUT_BASELINE": "none",
        }

    def pipeline(self, given: Config, options: Any, progress: Any) -> tuple[Report, dict[str, Any]]:
        self.seen.append(given)
        options.output.mkdir(exist_ok=True)
        return self.result, self.errors

    def start(self, own: str, base: str | None, **inputs: str) -> int:
        (self.workspace / "coral.yml").write_text(own)
        if base is not None:
            self.server.state.files["main", "coral.yml"] = base.encode()
        return self.run(**inputs)

    def run(self, **inputs: str) -> int:
        """The same, with what is in the workspace and on the base branch already."""
        self.event.write_text(json.dumps(self.payload))
        named = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
        return action.main({**self.variables, **named})

    @property
    def comment(self) -> str:
        (comment,) = self.server.state.comments.values()
        return str(comment["body"])

    @property
    def report(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(
            (self.workspace / "coral-output" / "report.json").read_text()
        )
        return loaded


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    with GitHubServer().running() as server:
        made = Job(tmp_path, server)
        monkeypatch.setattr(action, "run", made.pipeline)
        yield made
        assert server.unknown == []
