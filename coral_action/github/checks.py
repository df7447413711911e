"""The check run: a conclusion, a summary, and annotations at lines of files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from coral_action.github import digest
from coral_action.github.api import GitHubApi
from coral_action.github.context import Context
from coral_action.github.faults import ApiError
from coral_action.github.rendering import Rendering
from coral_action.report import text
from coral_action.report.notices import Notice

Conclusion = Literal["success", "failure", "neutral"]
_BATCH = 50  # annotations that one request takes
_MOST = 1_000  # annotations; more tell nobody anything, and each batch costs a write
_SUMMARY_CHARACTERS = 60_000  # of 65,535
_LEVELS = {"error": "failure", "warning": "warning", "notice": "notice"}


def check_name(key: str) -> str:
    """The name of the check run for a comment key."""
    return "coral-quantize" if key == "default" else f"coral-quantize ({key})"


def publish_check(
    api: GitHubApi,
    context: Context,
    commit: str,
    name: str,
    conclusion: Conclusion,
    rendering: Rendering,
    notices: Sequence[Notice],
) -> str:
    """Create the check run on a commit; returns the address of its page.

    Raises:
        ApiError: if GitHub can't be reached or refuses.
    """
    report = rendering.report
    output = {
        "title": text.verdict(report.models)[:255],
        "summary": rendering.within(_SUMMARY_CHARACTERS),
        # A pull request finds its baseline here: see baseline.py.
        "text": digest.pack(report),
    }
    annotations = [_annotation(notice) for notice in notices[:_MOST]]
    path = f"/repos/{context.repository}/check-runs"
    body: dict[str, Any] = {
        "name": name,
        "head_sha": commit,
        "status": "completed",
        "conclusion": conclusion,
        "external_id": f"{context.run}-{context.attempt}",
        "output": {**output, "annotations": annotations[:_BATCH]},
    }
    if context.run_url:
        body["details_url"] = context.run_url
    try:
        check = api.post(path, body)
    except ApiError as error:
        if not error.uncertain:
            raise
        # Two check runs with one name do no harm: GitHub shows the later one.
        api.clock.sleep(1.0 + api.clock.jitter())
        check = api.post(path, body)
    for start in range(_BATCH, len(annotations), _BATCH):
        batch = annotations[start : start + _BATCH]
        api.patch(f"{path}/{check['id']}", {"output": {**output, "annotations": batch}})
    return str(check.get("html_url") or "")


def _annotation(notice: Notice) -> dict[str, Any]:
    return {
        "path": notice.file,
        "start_line": max(1, notice.line),
        "end_line": max(1, notice.line),
        "annotation_level": _LEVELS[notice.level],
        "title": notice.title[:255],
        "message": notice.message[:4_096],
    }
