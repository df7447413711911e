"""The action on GitHub, all parts together: what it says where, and what it ends with."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.github_server import Fault, GitHubServer, cut, status
from fakes.github_state import REPOSITORY, TOKEN
from harness import PROJECT, parse_outputs, runner_environment

from coral_action import action
from coral_action.github.clock import Clock
from coral_action.report.model import Report

from .reports import a_model, a_report

CONFIG = """version: 1
models:
  - name: digits
    source: model.keras
    calibration: {npy: x.npy}
"""
EXCEEDED = {"name": "cpu_operators", "limit": 0, "value": 1, "passed": False}
LIMIT = a_model(status="limit_exceeded", limits=[EXCEEDED])
FAILED = a_model("bad", status="failed", error={"kind": "model", "message": "broken"}, files={})


class Job:
    """A job on a runner, with its files."""

    def __init__(self, folder: Path, server: GitHubServer) -> None:
        self.workspace = folder / "workspace"
        self.workspace.mkdir()
        (self.workspace / "coral.yml").write_text(CONFIG)
        self.output, self.summary = folder / "output", folder / "summary"
        self.event = folder / "event.json"
        self.payload: dict[str, Any] = {"number": 7, "pull_request": server.state.add_pull(7)}
        self.variables = {
            **runner_environment(
                self.workspace, self.output, self.summary, {"token": TOKEN, "compiler": "none"}
            ),
            "GITHUB_EVENT_PATH": str(self.event),
            "GITHUB_EVENT_NAME": "pull_request",
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_API_URL": server.url,
            "GITHUB_SHA": "f" * 40,
            "GITHUB_RUN_ID": "1",
            "GITHUB_JOB": "build",
            "GITHUB_WORKFLOW": "coral",
        }

    @property
    def outputs(self) -> dict[str, str]:
        return parse_outputs(self.output.read_text())

    def files(self) -> list[Path]:
        folder = self.workspace.parent
        return [p for p in folder.rglob("*") if p.is_file() and p != self.event]


@pytest.fixture
def job(tmp_path: Path, server: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> Job:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Clock, "sleep", lambda self, seconds: None)
    return Job(tmp_path, server)


Start = Callable[..., int]


@pytest.fixture
def start(job: Job, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run the action in this process, with a pipeline that has its report ready."""

    def run(*models: dict[str, Any], **inputs: str) -> int:
        report = a_report(*models)

        def pipeline(config: Any, options: Any, progress: Any) -> tuple[Report, dict[str, Any]]:
            options.output.mkdir(exist_ok=True)
            for model in report.models:
                if model.files.int8:
                    Path(model.files.int8).write_bytes(model.name.encode())
            return report, {}

        monkeypatch.setattr(action, "run", pipeline)
        job.event.write_text(json.dumps(job.payload))
        named = {f"INPUT_{name.upper().replace('_', '-')}": v for name, v in inputs.items()}
        return action.main({**job.variables, **named})

    return run


def test_everything_at_once(
    server: GitHubServer, job: Job, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    (job.workspace / "labels.txt").write_text("zero\none\n")
    assert start(checks="true", release_tag="v1", release_files="*.txt") == 0
    (comment,) = server.state.comments.values()
    assert "1 model passed" in comment["body"]
    assert job.outputs["comment-url"] == comment["html_url"]
    (check,) = server.state.checks.values()
    assert (check["head_sha"], check["conclusion"]) == ("a" * 40, "success")
    (release,) = server.state.releases.values()
    assert job.outputs["release-url"] == release["html_url"]
    assert not release["draft"]
    files = server.state.names(release["id"])
    assert set(files) == {"digits_int8.tflite", "coral-report.json", "labels.txt", "SHA256SUMS"}
    assert json.loads(files["coral-report.json"])["models"][0]["name"] == "digits"
    assert "| <code>digits</code> | [digits_int8.tflite](" in release["body"]
    assert "1 model passed" in job.summary.read_text()
    assert job.outputs["passed"] == "true"
    assert "comment: created" in capsys.readouterr().err


def test_two_steps_of_a_job_share_the_comment(server: GitHubServer, job: Job, start: Start) -> None:
    """One for each coral.yml, or for each part of the models; a step run again replaces its own."""
    for folder in ("a", "b"):
        (job.workspace / folder).mkdir()
        (job.workspace / folder / "coral.yml").write_text(CONFIG)
        assert start(a_model(folder), config=f"{folder}/coral.yml", baseline="none") == 0
    assert start(a_model("c"), config="b/coral.yml", models="digits", baseline="none") == 0
    assert start(a_model("d"), config="b/coral.yml", baseline="none") == 0
    (comment,) = server.state.comments.values()
    shown = [name for name in "abcd" if f"<code>{name}</code>" in comment["body"]]
    assert shown == ["a", "c", "d"]


def test_next_run_finds_its_baseline(
    server: GitHubServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Report | None] = []
    monkeypatch.setattr(action, "compared", lambda report, base: (seen.append(base), report)[1])
    server.state.history.append("a" * 40)
    assert start(checks="true") == 0
    assert start() == 0
    assert start(baseline="none") == 0
    assert [base and base.models[0].name for base in seen] == [None, "digits", None]


def test_baseline_from_a_file(job: Job, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Report | None] = []
    monkeypatch.setattr(action, "compared", lambda report, base: (seen.append(base), report)[1])
    path = job.workspace / "old.json"
    path.write_text(json.dumps(a_report(a_model("old")).to_json()))
    assert start(baseline="old.json") == 0
    assert seen[0] is not None
    assert seen[0].models[0].name == "old"
    assert start(baseline="missing.json") == 2


@pytest.mark.parametrize(
    ("model", "fail_on", "code", "conclusion"),
    [
        (LIMIT, "limits", 1, "failure"),
        (LIMIT, "errors", 0, "neutral"),
        (FAILED, "errors", 3, "failure"),
        (FAILED, "never", 0, "neutral"),
    ],
)
def test_reported_is_not_failed(
    server: GitHubServer, start: Start, model: Any, fail_on: str, code: int, conclusion: str
) -> None:
    assert start(model, fail_on=fail_on, checks="true", release_tag="v1") == code
    (check,) = server.state.checks.values()
    assert check["conclusion"] == conclusion
    assert len(server.state.comments) == 1
    # What failed is never released, what exceeds a limit only if limits don't matter.
    assert len(server.state.releases) == (1 if (model, code) == (LIMIT, 0) else 0)


@pytest.mark.parametrize("kind", ["fork", "dependabot"])
def test_read_only_token_is_no_failure(
    server: GitHubServer,
    job: Job,
    start: Start,
    kind: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server.state.writable = frozenset()
    if kind == "fork":
        job.payload["pull_request"]["head"]["repo"]["full_name"] = "somebody/models"
    else:
        job.variables["GITHUB_ACTOR"] = "dependabot[bot]"
    assert start(checks="true") == 0
    assert server.state.comments == {}
    assert "1 model passed" in job.summary.read_text()
    assert Report.read(job.workspace / job.outputs["report"]).models[0].name == "digits"
    assert "comment: left out" in capsys.readouterr().err


def test_forgotten_permission_is_said(
    server: GitHubServer, job: Job, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server.state.writable = frozenset({"checks"})
    assert start(checks="true") == 5
    assert len(server.state.checks) == 1  # the other parts are done
    assert job.outputs["passed"] == "true"
    assert "pull-requests: write" in capsys.readouterr().err
    assert start(fail_on="never") == 0


@pytest.mark.parametrize("fault", [status(500), cut, status(401)])
def test_github_is_down(server: GitHubServer, job: Job, start: Start, fault: Any) -> None:
    server.faults += [Fault(m, "", fault, times=-1) for m in ("GET", "POST", "PATCH")]
    assert start(checks="true", release_tag="v1") == 5
    assert "1 model passed" in job.summary.read_text()
    assert set(job.outputs) >= {"report", "passed", "comment-url"}
    assert (job.workspace / "coral-output" / "report.html").is_file()


def test_disk_full_on_outputs(
    server: GitHubServer, job: Job, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    """The comment and the release are there all the same."""
    job.variables |= {"GITHUB_OUTPUT": "/dev/full", "GITHUB_STEP_SUMMARY": "/dev/full"}
    assert start(release_tag="v1") == 2
    assert len(server.state.comments) == 1
    assert len(server.state.releases) == 1
    assert capsys.readouterr().err.count("No space left on device") == 2


def test_without_a_pull_request(server: GitHubServer, job: Job, start: Start) -> None:
    job.variables["GITHUB_EVENT_NAME"] = "schedule"
    assert start() == 0
    assert server.state.comments == {}
    assert job.outputs["comment-url"] == ""


def test_without_a_token_and_outside_of_a_runner(job: Job, start: Start) -> None:
    job.variables = {"GITHUB_WORKSPACE": str(job.workspace), "INPUT_COMPILER": "none"}
    assert start(checks="true", release_tag="v1") == 0
    assert not job.output.exists()


@pytest.mark.parametrize("pattern", ["/etc/passwd", "../*", "nothing-*", "leads-out"])
def test_release_files_stay_inside(
    server: GitHubServer, job: Job, start: Start, pattern: str
) -> None:
    (job.workspace / "leads-out").symlink_to("/etc/passwd")
    assert start(release_tag="v1", release_files=pattern) == 2
    assert server.state.releases == {}


def test_passwords_of_proxies_are_masked(
    job: Job, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    job.variables |= {"HTTPS_PROXY": "http://me:p%40ss@proxy:1", "http_proxy": "http://[x:y@z"}
    assert start(comment="off", baseline="none") == 0
    assert "::add-mask::p@ss\n" in capsys.readouterr().err


def test_token_is_nowhere(
    server: GitHubServer,
    job: Job,
    start: Start,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After runs that worked, and runs in which all that can break does, with all details shown."""
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    job.variables["RUNNER_DEBUG"] = "1"
    start(a_model(), FAILED, checks="true", release_tag="v1", fail_on="never")
    start(checks="true", release_tag="v1")
    echo = status(403, f"Bearer {TOKEN} is not good")
    for fault in (echo, status(500, TOKEN), cut):
        server.faults += [Fault(m, "", fault, times=40) for m in ("POST", "PATCH", "GET")]
        start(checks="true", release_tag="v2")
        server.faults.clear()
    job.variables["INPUT_TOKEN"] = f"{TOKEN}\n{TOKEN}"
    assert start() == 2
    log = capfd.readouterr()
    assert TOKEN not in log.out + log.err
    assert "GITHUB_TOKEN" not in os.environ
    files = job.files()
    assert len(files) >= 7
    assert [p for p in files if TOKEN.encode() in p.read_bytes()] == []
    said = [r.body for r in server.requests]
    assert not any(TOKEN.encode() in body for body in said)


def test_really(digits: Path, server: GitHubServer, tmp_path: Path) -> None:
    """The real pipeline in a process of its own, as the runner starts it, up to the release."""
    import shutil

    job = Job(tmp_path, server)
    shutil.copytree(digits, job.workspace, dirs_exist_ok=True)
    job.event.write_text(json.dumps(job.payload))
    if os.geteuid() == 0:
        os.chown(job.workspace, 1234, 1234)
    words = {"INPUT_MODELS": "digits_keras", "INPUT_CHECKS": "true", "INPUT_RELEASE-TAG": "v1"}
    finished = subprocess.run(
        [sys.executable, PROJECT / "entrypoint.py"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), **job.variables, **words},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert finished.returncode == 0, finished.stderr
    (comment,) = server.state.comments.values()
    assert "digits&#95;keras" in comment["body"]
    (release,) = server.state.releases.values()
    made = (job.workspace / "coral-output" / "digits_keras_int8.tflite").read_bytes()
    assert server.state.names(release["id"])["digits_keras_int8.tflite"] == made
    owners = {p.stat().st_uid for p in (job.workspace / "coral-output").rglob("*")}
    assert owners == {1234 if os.geteuid() == 0 else os.geteuid()}
    assert TOKEN not in finished.stdout + finished.stderr
    assert not any(TOKEN.encode() in p.read_bytes() for p in job.files())
