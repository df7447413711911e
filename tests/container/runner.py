"""Starting an image as GitHub's runner starts a container action, and as a person does."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import parse_outputs, runner_environment

OWNER = (1001, 1002)  # the runner's own user and group, which the workspace belongs to
_SECONDS = 600
_REPOSITORY = "octo/models"
# What the event file of a pull request holds, as far as anybody reads it.
PULL_REQUEST = {
    "action": "synchronize",
    "number": 7,
    "pull_request": {
        "number": 7,
        "state": "open",
        "head": {"sha": "a" * 40, "ref": "topic", "repo": {"full_name": _REPOSITORY}},
        "base": {"sha": "b" * 40, "ref": "main", "repo": {"full_name": _REPOSITORY}},
    },
}


@dataclass(frozen=True)
class Finished:
    """How a container ended, with the runner's files."""

    code: int
    stdout: str
    stderr: str
    outputs: dict[str, str]
    summary: str


def run_as_runner(
    image: str,
    workspace: Path,
    inputs: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    network: str = "none",
    event: Mapping[str, object] | None = None,
) -> Finished:
    """Start an action: mounts, environment and user as the runner has them (its log shows them).

    Hyphens stay in the names of inputs, as the runner keeps them.
    """
    temp = workspace.parent / f"{workspace.name}-temp"
    for name in ("_github_home", "_github_workflow", "_runner_file_commands"):
        (temp / name).mkdir(parents=True, exist_ok=True)
    commands = temp / "_runner_file_commands"
    for name in ("output", "summary", "env", "path", "state"):
        (commands / name).touch()
        os.chown(commands / name, *OWNER)
    payload = event or PULL_REQUEST
    (temp / "_github_workflow" / "event.json").write_text(json.dumps(payload))
    files = "/github/file_commands"
    variables = {
        "HOME": "/github/home",
        "GITHUB_ACTION": "__self",
        "GITHUB_API_URL": "http://127.0.0.1:9",
        "GITHUB_ENV": f"{files}/env",
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_EVENT_PATH": "/github/workflow/event.json",
        "GITHUB_PATH": f"{files}/path",
        "GITHUB_REPOSITORY": _REPOSITORY,
        "GITHUB_RUN_ID": "1",
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_SHA": "0" * 40,
        "GITHUB_STATE": f"{files}/state",
        "RUNNER_OS": "Linux",
        "RUNNER_TEMP": "/github/runner_temp",
        **runner_environment("/github/workspace", f"{files}/output", f"{files}/summary", inputs),
        **(environment or {}),
    }
    mounts = {
        temp / "_github_home": "/github/home",
        temp / "_github_workflow": "/github/workflow",
        commands: files,
        temp: "/github/runner_temp",
        workspace: "/github/workspace",
    }
    options = ["--workdir", "/github/workspace", "--network", network]
    for name, value in variables.items():
        options += ["--env", f"{name}={value}"]
    for source, target in mounts.items():
        options += ["--volume", f"{source}:{target}"]
    finished = start(options, image)
    return Finished(
        finished.returncode,
        finished.stdout,
        finished.stderr,
        parse_outputs((commands / "output").read_text()),
        (commands / "summary").read_text(),
    )


def start(
    options: Sequence[str], image: str, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """`docker run --rm OPTIONS IMAGE ARGUMENTS`."""
    return subprocess.run(
        ["podman", "run", "--rm", *options, image, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def give(folder: Path, owner: tuple[int, int] = OWNER) -> None:
    """Give a folder and all in it to a user."""
    for path in (folder, *folder.rglob("*")):
        os.chown(path, *owner, follow_symlinks=False)


def owners(folder: Path) -> set[tuple[int, int]]:
    """Who owns what is in a folder."""
    return {(path.lstat().st_uid, path.lstat().st_gid) for path in (folder, *folder.rglob("*"))}
