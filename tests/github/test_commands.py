"""`coral-quantize comment` and `release`: what a workflow of forks, or a person, starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from fakes.github_server import GitHubServer
from fakes.github_state import REPOSITORY, TOKEN

from coral_action.commands.comment import comment
from coral_action.commands.release import release
from coral_action.errors import CoralQuantizeError, UsageError
from coral_action.github.clock import Clock

from .reports import a_model, a_report

HEAD = "a" * 40


@pytest.fixture(autouse=True)
def environment(
    server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A workflow that the run of another one started, for a fork's pull request."""
    run = {
        "event": "pull_request",
        "head_branch": "topic",
        "head_sha": HEAD,
        "head_repository": {"full_name": "somebody/models", "owner": {"login": "somebody"}},
        "pull_requests": [],
    }
    event = {"workflow_run": run}
    path = tmp_path / "event.json"
    path.write_text(json.dumps(event))
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "GITHUB_REPOSITORY": REPOSITORY,
        "GITHUB_API_URL": server.url,
        "GITHUB_EVENT_NAME": "workflow_run",
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_TOKEN": TOKEN,
    }.items():
        monkeypatch.setenv(name, value)
    pull = server.state.add_pull(7, HEAD)
    pull["head"] |= {"label": "somebody:topic", "repo": {"full_name": "somebody/models"}}
    return event


def start(command: click.Command, *words: object) -> str:
    finished = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
    assert finished.exit_code == 0, finished.output
    return finished.output


def write(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(a_report(a_model()).to_json() | changes))
    return path


def test_comment_of_a_fork(server: GitHubServer, tmp_path: Path) -> None:
    path = write(tmp_path / "report.json", pull_request=666, body="<b>forged</b>")
    assert "comment: created https://" in start(comment, "--from-artifact", path)
    (made,) = server.state.comments.values()
    assert made["issue"] == 7
    assert "1 model passed" in made["body"]
    assert "forged" not in made["body"]
    assert f"Commit {HEAD[:7]}" in made["body"]
    assert "unchanged" in start(comment, "--from-artifact", path)


def test_names_in_the_artifact_are_only_text(server: GitHubServer, tmp_path: Path) -> None:
    evil = "@all <img src=x> [a](//b) <!-- coral-quantize:end --> #1 | `x`"
    path = tmp_path / "report.json"
    error = {"kind": "model", "message": evil, "hint": evil}
    models = [a_model(evil, status="failed", error=error)]
    path.write_text(json.dumps(a_report(*models).to_json()))
    start(comment, "--from-artifact", path)
    (made,) = server.state.comments.values()
    for part in ("@all", "<img", "[a]", " #1", "`x`"):
        assert part not in made["body"]
    assert made["body"].count("<!-- coral-quantize:end -->") == 1


def test_pull_request_that_has_moved_on(server: GitHubServer, tmp_path: Path) -> None:
    server.state.pulls[7]["head"]["sha"] = "c" * 40
    path = write(tmp_path / "report.json")
    assert "left out" in start(comment, "--from-artifact", path)
    assert server.state.comments == {}


def test_pull_request_by_number(server: GitHubServer, tmp_path: Path) -> None:
    server.state.add_pull(8)
    path = write(tmp_path / "report.json")
    start(comment, "--from-artifact", path, "--pull-request", 8)
    (made,) = server.state.comments.values()
    assert made["issue"] == 8


@pytest.mark.parametrize(
    "content", ["", "{}", "[" * 100_000, '{"schema_version": 1, "tool": 3}', "\x00" * 20_000_000]
)
def test_artifact_that_is_no_report(server: GitHubServer, tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(UsageError):
        start(comment, "--from-artifact", path)
    assert server.requests == []


def test_artifact_that_is_a_link(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.symlink_to("/etc/passwd")
    with pytest.raises(UsageError, match="no regular file"):
        start(comment, "--from-artifact", path)


def test_what_is_missing_is_said(
    server: GitHubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "report.json")
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    monkeypatch.delenv("GITHUB_EVENT_PATH")
    with pytest.raises(UsageError, match="which pull request"):
        start(comment, "--from-artifact", path)
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(UsageError, match="no GitHub token"):
        start(comment, "--from-artifact", path)
    monkeypatch.delenv("GITHUB_REPOSITORY")
    with pytest.raises(UsageError, match="which repository"):
        start(comment, "--from-artifact", path)


def test_release(server: GitHubServer, tmp_path: Path) -> None:
    (tmp_path / "coral-output").mkdir()
    (tmp_path / "coral-output" / "digits_int8.tflite").write_bytes(b"model")
    (tmp_path / "labels.txt").write_text("zero")
    path = write(tmp_path / "coral-output" / "report.json")
    output = start(release, "--tag", "v1", "--report", path, "labels.txt")
    (made,) = server.state.releases.values()
    assert output.splitlines()[-1] == f"release: {made['html_url']}"
    assert set(server.state.names(made["id"])) == {
        "labels.txt",
        "digits_int8.tflite",
        "coral-report.json",
        "SHA256SUMS",
    }
    assert "nothing new" in start(release, "--tag", "v1", "--report", path, "labels.txt")
    with pytest.raises(UsageError, match="nothing to upload"):
        start(release, "--tag", "v1")


def test_commands_import_little() -> None:
    """`check` must start fast: the commands load neither requests nor pydantic by themselves."""
    import subprocess
    import sys

    from harness import PROJECT

    code = (
        "import sys, coral_action.commands.comment, coral_action.commands.release; "
        "sys.exit(', '.join({'requests', 'pydantic'} & set(sys.modules)) or 0)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True
    )
    assert finished.returncode == 0, finished.stderr


def test_errors_have_the_exit_code_of_github(server: GitHubServer, tmp_path: Path) -> None:
    server.state.token = "another"
    with pytest.raises(CoralQuantizeError) as caught:
        start(comment, "--from-artifact", write(tmp_path / "report.json"))
    assert caught.value.exit_code == 5
