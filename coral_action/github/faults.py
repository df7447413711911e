"""What an answer of GitHub's API means: fine, worth another try after a while, or final.

https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum

from coral_action.errors import GitHubError

TRIES = 5
PATIENCE = 300.0  # seconds; who has to wait longer is told so instead
_SECONDARY_WAIT = 60.0  # "wait for at least one minute before retrying"


class Reason(StrEnum):
    """Why a request failed."""

    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not found"
    VALIDATION = "validation"
    RATE_LIMIT = "rate limit"
    SERVER = "server"
    CONNECTION = "connection"
    ANSWER = "answer"  # it is no JSON, or only a part of it


# Sections of docs/troubleshooting.md.
_TOPICS = {
    Reason.PERMISSION: "missing-permission",
    Reason.AUTHENTICATION: "wrong-token",
    Reason.RATE_LIMIT: "rate-limit",
}


class ApiError(GitHubError):
    """A request that failed; `uncertain` if GitHub may have carried it out all the same."""

    def __init__(
        self,
        message: str,
        reason: Reason,
        *,
        status: int | None = None,
        uncertain: bool = False,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint, topic=_TOPICS.get(reason, ""))
        self.reason = reason
        self.status = status
        self.uncertain = uncertain


def reason_of(status: int, headers: Mapping[str, str], message: str) -> Reason | None:
    """Why an answer is no success, None if it is one.

    A 403 is a rate limit or a missing permission; GitHub says which by its headers or its message.
    """
    if status < 400:
        return None
    if status == 401:
        return Reason.AUTHENTICATION
    if status == 429:
        return Reason.RATE_LIMIT
    if status == 403:
        limited = (
            "retry-after" in headers
            or headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in message.lower()
            or "abuse detection" in message.lower()
        )
        return Reason.RATE_LIMIT if limited else Reason.PERMISSION
    if status in (404, 410):
        return Reason.NOT_FOUND
    if status in (408, 500, 502, 503, 504) or status > 504:
        return Reason.SERVER
    return Reason.VALIDATION


def seconds_to_wait(
    reason: Reason, headers: Mapping[str, str], attempt: int, now: float, jitter: float
) -> float:
    """How long to wait before try number `attempt` + 1, counted from 1.

    `Retry-After` and reset times are obeyed; else the wait doubles with each try. `jitter` (0..1)
    keeps two jobs that were refused together from coming back together.
    """
    asked = _retry_after(headers.get("retry-after", ""), now)
    if asked is None and headers.get("x-ratelimit-remaining") == "0":
        reset = headers.get("x-ratelimit-reset", "")
        asked = max(0.0, int(reset) - now) if reset.isdecimal() else None
    if asked is not None:
        return asked + jitter
    first = _SECONDARY_WAIT if reason is Reason.RATE_LIMIT else 1.0
    return float(first * 2 ** (attempt - 1) * (1 + jitter / 2))


def _retry_after(value: str, now: float) -> float | None:
    """Seconds, from either form of the header: a number or a date."""
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return None


def hint_for(reason: Reason, headers: Mapping[str, str]) -> str:
    """What the user can do about it."""
    if reason is Reason.PERMISSION:
        # "issues=write; pull_requests=write": alternatives are separated by semicolons.
        needed = headers.get("x-accepted-github-permissions", "")
        wanted = needed.replace("_", "-").replace("=", ": ") or "the permission it needs"
        return f"give the job, under `permissions:`, {wanted}"
    if reason is Reason.AUTHENTICATION:
        return "the token is wrong or has expired; the default of the input `token` always works"
    if reason is Reason.RATE_LIMIT:
        return "run the job again later; all that was made is in the job's files and summary"
    if reason in (Reason.SERVER, Reason.CONNECTION, Reason.ANSWER):
        return "GitHub or the way to it is disturbed: run the job again"
    return ""
