"""A stranger's commit, checked out where the event's token can write, is not processed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from harness import PROJECT, Command
from repositories import commit, git, repository

from coral_action import action
from coral_action.errors import UsageError
from coral_action.git_folder import UnreadableError, head_commit
from coral_action.github.checkout import require_trusted_checkout

OURS, FORK = {"full_name": "octo/models"}, {"full_name": "stranger/models"}


class Job:
    """A job on a privileged event, with a base commit and a pull request's on top of it."""

    def __init__(self, folder: Path) -> None:
        self.workspace = (folder / "workspace").resolve()
        self.base = repository(self.workspace)
        git(self.workspace, "checkout", "--quiet", "-b", "topic")
        (self.workspace / "evil.txt").write_text("x")
        self.head = commit(self.workspace, "head")
        git(self.workspace, "checkout", "--quiet", "main")
        self._event = folder / "event.json"

    def target(self, **changes: Any) -> dict[str, Any]:
        pull = {
            "number": 7,
            "head": {"sha": self.head, "ref": "topic", "repo": FORK},
            "base": {"sha": self.base, "ref": "main", "repo": OURS},
            "merge_commit_sha": None,
        }
        return {"pull_request": pull | changes, "repository": OURS}

    def run_of(self, cause: str, whose: dict[str, str] | None) -> dict[str, Any]:
        run = {"event": cause, "head_sha": self.head, "head_repository": whose}
        return {"workflow_run": run, "repository": OURS}

    def environment(self, event: str, payload: Any) -> dict[str, str]:
        if payload is not None:
            self._event.write_text(json.dumps(payload))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(self._event),
            "GITHUB_SHA": self.base,
            "GITHUB_WORKSPACE": str(self.workspace),
        }

    def judge(self, event: str, payload: Any, folder: str = ".", *, allowed: bool = False) -> None:
        require_trusted_checkout(
            self.environment(event, payload),
            self.workspace,
            (self.workspace / folder).resolve(),
            allowed=allowed,
        )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


def test_own_commit_is_fine(job: Job) -> None:
    job.judge("pull_request_target", job.target())
    job.judge("workflow_run", job.run_of("pull_request", FORK))
    job.judge("issue_comment", {"issue": {"number": 7, "pull_request": {}}})


@pytest.mark.parametrize("event", ["pull_request", "push", "schedule", "release", "merge_group"])
def test_events_of_no_danger_are_not_asked(job: Job, event: str) -> None:
    git(job.workspace, "checkout", "--quiet", job.head)
    job.judge(event, None)


@pytest.mark.parametrize("how", ["detached", "branch", "packed", "merge", "worktree"])
def test_checked_out_head_is_refused(job: Job, how: str, tmp_path: Path) -> None:
    payload = job.target()
    if how == "detached":
        git(job.workspace, "checkout", "--quiet", "--detach", job.head)
    if how in ("branch", "packed"):
        git(job.workspace, "checkout", "--quiet", "topic")
    if how == "packed":
        git(job.workspace, "pack-refs", "--all", "--prune")
    if how == "merge":
        git(job.workspace, "merge", "--quiet", "--no-ff", "--message", "test merge", "topic")
        payload = job.target(merge_commit_sha=git(job.workspace, "rev-parse", "HEAD"))
    folder = "."
    if how == "worktree":
        git(job.workspace, "worktree", "add", "--quiet", "--detach", "wt", job.head)
        folder = "wt"
    with pytest.raises(UsageError, match="is the pull request's") as raised:
        job.judge("pull_request_target", payload, folder)
    assert raised.value.exit_code == 2
    assert "allow-untrusted-checkout: true" in raised.value.hint
    job.judge("pull_request_target", payload, folder, allowed=True)


@pytest.mark.parametrize(
    ("cause", "whose", "refused"),
    [
        ("pull_request", FORK, True),
        ("pull_request", OURS, True),
        ("pull_request", None, True),  # the fork was deleted
        ("push", FORK, True),
        ("push", OURS, False),
        ("schedule", OURS, False),
        ("issue_comment", OURS, True),
    ],
)
def test_runs_that_another_run_causes(
    job: Job, cause: str, whose: dict[str, str] | None, refused: bool
) -> None:
    git(job.workspace, "checkout", "--quiet", job.head)
    if not refused:
        job.judge("workflow_run", job.run_of(cause, whose))
        return
    with pytest.raises(UsageError, match="on workflow_run, no model is loaded"):
        job.judge("workflow_run", job.run_of(cause, whose))


def test_a_comment_names_no_commit_so_only_our_own_will_do(job: Job) -> None:
    git(job.workspace, "checkout", "--quiet", job.head)
    with pytest.raises(UsageError, match="not the base branch's"):
        job.judge("issue_comment", {"issue": {"number": 7, "pull_request": {}}})
    job.judge("issue_comment", {"issue": {"number": 8}})  # on an issue nobody has a head


def test_any_other_commit_is_refused(job: Job) -> None:
    """An older head of the pull request, or a merge made by hand, is in no event."""
    git(job.workspace, "checkout", "--quiet", job.head)
    commit(job.workspace, "on top")
    with pytest.raises(UsageError, match="not the base branch's"):
        job.judge("pull_request_target", job.target())


def test_head_in_a_folder_beside_is_refused(job: Job) -> None:
    inner = job.workspace / "pull" / "request"
    git(job.workspace, "clone", "--quiet", str(job.workspace), str(inner))
    git(inner, "checkout", "--quiet", job.head)
    with pytest.raises(UsageError, match="checkout in pull/request is the pull request's"):
        job.judge("pull_request_target", job.target())


@pytest.mark.parametrize(
    "damage", ["no git", "link", "no HEAD", "odd HEAD", "dangling", "reftable", "fifo"]
)
def test_what_cannot_be_told_is_refused(job: Job, damage: str) -> None:
    import os

    git_folder = job.workspace / ".git"
    if damage == "no git":
        shutil.rmtree(git_folder)
    elif damage == "link":
        git_folder.rename(job.workspace.parent / "elsewhere")
        git_folder.symlink_to(job.workspace.parent / "elsewhere")
    else:
        (git_folder / "HEAD").unlink()
    if damage == "fifo":
        os.mkfifo(git_folder / "HEAD")
    heads = {
        "odd HEAD": "main\n",
        "dangling": "ref: refs/heads/nobody\n",
        "reftable": "ref: refs/heads/.invalid\n",
    }
    if damage in heads:
        (git_folder / "HEAD").write_text(heads[damage])
    with pytest.raises(UsageError, match="no model is loaded"):
        job.judge("pull_request_target", job.target())


@pytest.mark.parametrize(
    "payload", [None, {}, {"pull_request": None}, {"pull_request": {"head": {}}}]
)
def test_event_that_does_not_tell_is_refused(job: Job, payload: Any) -> None:
    with pytest.raises(UsageError, match="event file does not tell"):
        job.judge("pull_request_target", payload)


def test_reference_outside_of_the_repository(job: Job) -> None:
    (job.workspace.parent / "sha").write_text("a" * 40)
    (job.workspace / ".git" / "HEAD").write_text("ref: refs/../../../sha\n")
    with pytest.raises(UnreadableError):
        head_commit(job.workspace)


def test_the_action_says_so_before_anything_is_read(
    job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    git(job.workspace, "checkout", "--quiet", job.head)
    environment = job.environment("pull_request_target", job.target())
    assert action.main(environment) == 2
    said = capsys.readouterr().err
    assert "no model is loaded: the checked-out commit" in said
    # With the input it goes on, as far as the config that is none.
    assert action.main({**environment, "INPUT_ALLOW-UNTRUSTED-CHECKOUT": "true"}) == 2
    assert "models: is required" in capsys.readouterr().err


def test_the_command_says_so_as_well(job: Job, command: Command) -> None:
    git(job.workspace, "checkout", "--quiet", job.head)
    environment = job.environment("pull_request_target", job.target())
    finished = command("run", "--compiler", "none", cwd=job.workspace, **environment)
    assert finished.code == 2
    assert "no model is loaded" in finished.stderr


def test_recipes_for_forks_need_no_permission_of_that_kind() -> None:
    for recipe in (PROJECT / "docs" / "recipes").glob("*.yml"):
        assert "allow-untrusted-checkout" not in recipe.read_text()


def test_checkout_beside_that_cannot_be_told(job: Job) -> None:
    """An event that names no commit, another commit than the named one, and a damaged folder."""
    inner = job.workspace / "a" / "b" / "c" / "d" / "pr"
    git(job.workspace, "clone", "--quiet", str(job.workspace), str(inner))
    comment = {"issue": {"number": 7, "pull_request": {}}}
    job.judge("issue_comment", comment)  # at the base's own commit
    git(inner, "checkout", "--quiet", job.head)
    with pytest.raises(UsageError, match="checkout in a/b/c/d/pr is none of the base branch's"):
        job.judge("issue_comment", comment)
    commit(inner, "on top")
    with pytest.raises(UsageError, match="is none of the base branch's"):
        job.judge("pull_request_target", job.target())
    (inner / ".git" / "HEAD").unlink()
    with pytest.raises(UsageError, match="the commit of the checkout in a/b/c/d/pr"):
        job.judge("pull_request_target", job.target())


def test_submodules_of_our_own_commit_are_fine(job: Job, tmp_path: Path) -> None:
    repository(tmp_path / "library")
    commit(tmp_path / "library", "another")
    git(job.workspace, "submodule", "--quiet", "add", str(tmp_path / "library"), "lib")
    job.base = commit(job.workspace, "with a submodule")
    job.judge("pull_request_target", job.target())
    job.judge("issue_comment", {"issue": {"number": 7, "pull_request": {}}})
