"""The report to compare with: of the base branch, of the latest release, or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from coral_action.github import digest
from coral_action.github.api import GitHubApi
from coral_action.github.context import Context, PullRequest
from coral_action.github.faults import ApiError, Reason
from coral_action.github.release_notes import REPORT_NAME
from coral_action.report.model import Report

AUTOMATIC, NONE = "auto", "none"
_COMMITS = 10  # how far back on the base branch; not every commit there touches a model
_BYTES = 16 * 1024 * 1024  # of a release's report


def read_baseline(path: Path) -> Report:
    """A baseline from a file.

    Raises:
        UsageError: if it is no report.
    """
    return Report.read(path)


def find_baseline(
    api: GitHubApi, context: Context, pull: PullRequest | None, check_name: str
) -> Report | None:
    """The baseline that GitHub has: of the base branch's check runs, else of the latest release.

    Raises:
        ApiError: if GitHub can't be asked.
    """
    path = f"/repos/{context.repository}"
    if pull is not None:
        commits = _list(api, f"{path}/commits", sha=pull.base_commit, per_page=_COMMITS)
        for commit in commits[:_COMMITS]:
            found = _list(
                api,
                f"{path}/commits/{commit['sha']}/check-runs",
                "check_runs",
                check_name=check_name,
                per_page=_COMMITS,
            )
            for check in found:
                report = digest.unpack(str((check.get("output") or {}).get("text") or ""))
                if report is not None:
                    return report
    return _of_release(api, path)


def _of_release(api: GitHubApi, path: str) -> Report | None:
    try:
        release = api.get(f"{path}/releases/latest")
        for asset in api.pages(f"{path}/releases/{release['id']}/assets"):
            if asset["name"] == REPORT_NAME and asset["size"] <= _BYTES:
                content = api.download(f"{path}/releases/assets/{asset['id']}")
                return Report.model_validate_json(content)
    except ValidationError:
        return None  # of another version
    except ApiError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
    return None


def _list(
    api: GitHubApi, path: str, key: str = "", **parameters: str | int
) -> list[dict[str, Any]]:
    """The first page of a list; empty if what it belongs to is unknown."""
    try:
        answer = api.get(path, **parameters)
    except ApiError as error:
        if error.reason in (Reason.NOT_FOUND, Reason.VALIDATION):
            return []
        raise
    return list(answer[key] if key else answer)
