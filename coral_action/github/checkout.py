"""Whether what is checked out may be processed with the rights that the event gives.

`pull_request_target`, `workflow_run` and `issue_comment` run with the repository's own token and
secrets, whoever caused them. A stranger's commit that is checked out there is the oldest way to
steal them (https://securitylab.github.com/resources/github-actions-preventing-pwn-requests/).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_action.errors import UsageError
from coral_action.git_folder import (
    UnreadableError,
    find_repository,
    head_commit,
)
from coral_action.github.context import read_event
from coral_action.repositories import git_entries, git_folders_elsewhere

INPUT = "allow-untrusted-checkout"
# Runs that such events cause are by people who can write to the repository.
_TRUSTED_CAUSES = ("push", "schedule", "workflow_dispatch", "release", "merge_group")


def require_trusted_checkout(
    environment: Mapping[str, str], workspace: Path, folder: Path, *, allowed: bool = False
) -> None:
    """Refuse a stranger's commit where the event gives it more rights than its author has.

    Args:
        environment: of the runner; outside of a runner everything is fine.
        workspace: the folder that the job's files are in, resolved.
        folder: that of coral.yml, resolved; it decides which checkout counts.
        allowed: the workflow says that it knows what it does.

    Raises:
        UsageError: unless the checkout is the repository's own, for certain.
    """
    event = environment.get("GITHUB_EVENT_NAME", "")
    if allowed or event not in _JUDGES:
        return
    payload = read_event(environment.get("GITHUB_EVENT_PATH", ""))
    try:
        judged = _JUDGES[event](payload)
    except (KeyError, TypeError, AttributeError):
        raise _refusal(event, "the event file does not tell whose commits are involved") from None
    if judged is None:
        return
    trusted, strange = judged
    trusted = (trusted | {environment.get("GITHUB_SHA", "")}) - {""}
    repository = find_repository(folder, workspace)
    if repository is None:
        raise _refusal(event, "no checked-out repository is around coral.yml")
    try:
        commit = head_commit(repository)
    except UnreadableError as error:
        raise _refusal(event, f"the checked-out commit can't be told: {error}") from None
    # What is both, such as a pull request without commits of its own, is the repository's own.
    if commit not in trusted:
        whose = "the pull request's" if commit in strange else "not the base branch's"
        raise _refusal(event, f"the checked-out commit {commit[:12]} is {whose}")
    _refuse_nested(event, workspace, repository, trusted, strange)


def _refuse_nested(
    event: str, workspace: Path, known: Path, trusted: frozenset[str], strange: frozenset[str]
) -> None:
    """A second checkout, in a folder of its own, is no better: it has to be as certain."""
    for entry in git_entries(workspace):
        repository = entry.parent
        if repository == known:
            continue
        where = os.path.relpath(repository, workspace)
        try:
            commit = head_commit(repository)
        except UnreadableError as error:
            raise _refusal(event, f"the commit of the checkout in {where}: {error}") from None
        if commit in trusted or (commit not in strange and _is_own_submodule(entry, known)):
            continue
        whose = "the pull request's" if commit in strange else "none of the base branch's"
        raise _refusal(event, f"the checkout in {where} is {whose}")


def _is_own_submodule(entry: Path, known: Path) -> bool:
    """Whether the trusted commit names this checkout: another repository's, and reviewed."""
    own = known.resolve() / ".git" / "modules"
    return any(own in folder.parents for folder in git_folders_elsewhere(entry))


def _refusal(event: str, why: str) -> UsageError:
    return UsageError(
        f"on {event}, no model is loaded: {why}",
        hint="models are programs, and this event's token can write: run on pull_request instead "
        f"(docs/github.md, Forks), or set `{INPUT}: true` if you know that it is safe here",
    )


Judged = tuple[frozenset[str], frozenset[str]]  # commits of the repository's own; a stranger's


def _of_target(payload: Mapping[str, Any]) -> Judged:
    pull = payload["pull_request"]
    strange = {str(pull["head"]["sha"]), str(pull.get("merge_commit_sha") or "")}
    return frozenset({str(pull["base"]["sha"])}), frozenset(strange - {""})


def _of_run(payload: Mapping[str, Any]) -> Judged:
    run = payload["workflow_run"]
    head = frozenset({str(run["head_sha"])})
    ours = (run.get("head_repository") or {}).get("full_name") == payload["repository"]["full_name"]
    if ours and run["event"] in _TRUSTED_CAUSES:
        return head, frozenset()
    return frozenset(), head


def _of_comment(payload: Mapping[str, Any]) -> Judged | None:
    """The event names no commit of the pull request: only the repository's own is fine."""
    return (frozenset(), frozenset()) if "pull_request" in payload["issue"] else None


_JUDGES = {
    "pull_request_target": _of_target,
    "workflow_run": _of_run,
    "issue_comment": _of_comment,
}
