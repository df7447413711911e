"""A comment from a report that another job made, which nobody vouches for.

A job of a fork may not comment. It leaves its report as an artifact, and a workflow that runs with
the repository's own rights comments with it. The artifact is written by whoever wrote the fork: so
only the report is taken from it, held against its schema and rendered again, every name in it
escaped; which pull request it is about is asked from the API.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from coral_action.errors import UsageError
from coral_action.github.comment import CommentWriter, Outcome
from coral_action.github.comment_body import Section
from coral_action.github.connection import connect
from coral_action.github.pulls import find_pull_request, get_pull_request
from coral_action.github.rendering import Rendering
from coral_action.report.model import Report

_BYTES = 16 * 1024 * 1024


def comment_from_artifact(
    path: Path,
    environment: Mapping[str, str],
    *,
    repository: str | None = None,
    number: int | None = None,
    key: str = "default",
    mode: str = "update",
) -> Outcome:
    """Comment with the report in a file on the pull request that it belongs to.

    Without `number` it is the one of the context, such as of the run that started this workflow.
    Nothing is done where there is none any more, or its head is not what that run checked.

    Raises:
        ApiError: if GitHub can't be reached or refuses.
        UsageError: if the file is no report, or it can't be told what it is about.
    """
    report = read_untrusted(path)
    api, context = connect(environment, repository)
    if number is not None:
        pull = get_pull_request(api, context.repository, number)
    elif context.search is None and context.pull_request is None:
        raise UsageError(
            "which pull request?",
            hint="start this from `on: workflow_run`, or name it with --pull-request",
        )
    else:
        pull = find_pull_request(api, context)
    if pull is None:
        return Outcome("left out: no open pull request has what was checked at its head")
    context = dataclasses.replace(context, commit=pull.head_commit)
    section = Section.of(context, "artifact")
    writer = CommentWriter(api, context.repository, pull, key)
    return writer.publish(section, Rendering(report).within, mode)


def read_untrusted(path: Path) -> Report:
    """A report from a file that may be anything.

    Raises:
        UsageError: if it is no regular file, too large, or no report.
    """
    try:
        if path.is_symlink() or not path.is_file():
            raise UsageError(f"{path}: no regular file")
        if path.stat().st_size > _BYTES:
            raise UsageError(f"{path}: larger than {_BYTES // 2**20} MiB: no report is")
    except OSError as error:
        raise UsageError(f"{path}: can't be read: {error.strerror}") from error
    return Report.read(path)
