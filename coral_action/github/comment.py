"""The one comment on a pull request that stays up to date, whoever else writes at the same time.

GitHub has no "change it only if nobody else did". So every writer reads, merges its section in,
writes, waits a moment, and reads again: a section that another job overwrote is put back. Whoever
creates a comment looks afterwards whether somebody else did so before; then the later one goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from coral_action.errors import UsageError
from coral_action.github import comment_body
from coral_action.github.api import GitHubApi
from coral_action.github.comment_body import LIMIT, Render, Section
from coral_action.github.context import PullRequest
from coral_action.github.faults import TRIES, ApiError, Reason, seconds_to_wait

MODES = ("update", "recreate", "off")
_ROUNDS = 15
_SETTLE = 2.0  # seconds; longer than a write of another job is usually on its way
_DEFAULT_AUTHOR = "github-actions"

_VIEWER = "query { viewer { login } }"
_MINIMIZE = """
mutation($id: ID!) {
  minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) {
    minimizedComment { isMinimized }
  }
}
"""


@dataclass(frozen=True)
class Outcome:
    """What became of the comment, and where it is."""

    action: str  # created, updated, unchanged, superseded or locked
    url: str = ""


@dataclass(frozen=True)
class _Comment:
    id: int
    node: str
    body: str
    url: str

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> _Comment:
        return cls(
            id=int(data["id"]),
            node=str(data.get("node_id", "")),
            body=str(data.get("body") or ""),
            url=str(data.get("html_url", "")),
        )

    @property
    def sections(self) -> list[Section]:
        return comment_body.parse(self.body)


class _GoneError(Exception):
    """The comment was deleted meanwhile."""


class CommentWriter:
    """Keeps the comment with one key on one pull request."""

    def __init__(self, api: GitHubApi, repository: str, pull: PullRequest, key: str) -> None:
        self._api = api
        self._comments = f"/repos/{repository}/issues/comments"
        self._conversation = f"/repos/{repository}/issues/{pull.number}/comments"
        self._pull = pull
        self._key = comment_body.check_key(key)
        self._author = ""
        self._limit = LIMIT
        self._wrote = ""  # created or updated
        self._created: int | None = None
        self._faults = 0

    def publish(self, own: Section, render: Render, mode: str = "update") -> Outcome:
        """Create the comment or bring it up to date.

        Raises:
            ApiError: if GitHub can't be reached or refuses, a locked conversation excepted.
            UsageError: if the mode is unknown.
        """
        if mode not in MODES:
            raise UsageError(f"comment: {mode!r} is none of {', '.join(MODES)}")
        if mode == "off":
            return Outcome("off")
        self._author = self._author or self._who()
        try:
            return self._publish(own, render, recreate=mode == "recreate")
        except ApiError as error:
            is_locked = self._pull.locked or "locked" in error.message.lower()
            if error.reason is Reason.PERMISSION and is_locked:
                return Outcome("locked")
            raise

    def _publish(self, own: Section, render: Render, *, recreate: bool) -> Outcome:
        for _ in range(_ROUNDS):
            found = self._find()
            current = [c for c in found if not recreate or _is_of_run(c, own)]
            older = [c for c in found if c not in current]
            if recreate and any(_is_after(comment, own) for comment in older):
                return Outcome("superseded", found[-1].url)
            try:
                done = self._round(current, own, render)
            except _GoneError:
                continue
            if done is not None:
                for comment in older:
                    self._hide(comment)
                return done
        raise ApiError(
            "the comment on the pull request kept being changed or deleted by others",
            Reason.SERVER,
            hint="run the job again; give jobs that need not share a comment a `comment-key` each",
        )

    def _round(self, current: Sequence[_Comment], own: Section, render: Render) -> Outcome | None:
        """One attempt; None if it has to be made again because others wrote too."""
        sections = [section for comment in current for section in comment.sections]
        fitted = comment_body.fit(self._key, sections, own, render, self._limit)
        if fitted is None:
            return Outcome("superseded", current[0].url)
        if not current:
            self._create(fitted)
            return None  # the next round sees whether somebody else did the same
        first, *later = current
        if _lines(first.body) == _lines(fitted) and not later:
            if self._wrote and not self._is_still_there(first, fitted, own):
                return None
            return Outcome(self._wrote or "unchanged", first.url)
        self._update(first, fitted)
        for comment in later:
            self._api.delete(f"{self._comments}/{comment.id}")
        return None

    def _is_still_there(self, comment: _Comment, written: str, own: Section) -> bool:
        """Whether nobody who read the comment before we wrote has overwritten it since."""
        self._pause()
        again = self._get(comment.id)
        body = "" if again is None else str(again.get("body") or "")
        return comment_body.holds(body, written, own, self._key)

    def _get(self, number: int) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._api.get(f"{self._comments}/{number}")
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                return None
            raise
        return found

    def _who(self) -> str:
        """The login that our comments carry; apps have `[bot]` at its end in REST only."""
        try:
            login = str(self._api.graphql(_VIEWER)["viewer"]["login"])
        except ApiError as error:
            if error.reason not in (Reason.PERMISSION, Reason.NOT_FOUND, Reason.VALIDATION):
                raise
            return _DEFAULT_AUTHOR
        return login.removesuffix("[bot]")

    def _find(self) -> list[_Comment]:
        """Our comments with this key, oldest first, over all pages."""
        found = {data["id"]: data for data in self._api.pages(self._conversation)}
        if self._created is not None and self._created not in found:
            # Lists come from copies of the database that can be a moment behind.
            created = self._get(self._created)
            found |= {} if created is None else {self._created: created}
        return sorted(map(_Comment.from_json, self._ours(found.values())), key=lambda c: c.id)

    def _ours(self, comments: Iterable[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        for data in comments:
            user = data.get("user") or {}
            by_us = str(user.get("login")).removesuffix("[bot]") == self._author
            # Somebody may have taken an app's name for a person's account.
            by_us &= user.get("type") == "Bot" or not self._api.writes_as_bot
            if by_us and comment_body.is_ours(str(data.get("body") or ""), self._key):
                yield data

    def _create(self, body: str) -> None:
        try:
            self._created = int(self._api.post(self._conversation, {"body": body})["id"])
        except ApiError as error:
            if error.uncertain:  # it may be there or not: the next round will see
                self._faults += 1
                if self._faults >= TRIES:
                    raise
                self._api.clock.sleep(
                    seconds_to_wait(error.reason, {}, self._faults, 0, self._api.clock.jitter())
                )
            elif not self._shrank(error):
                raise
        self._wrote = "created"

    def _update(self, comment: _Comment, body: str) -> None:
        try:
            self._api.patch(f"{self._comments}/{comment.id}", {"body": body})
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                raise _GoneError from None
            if not self._shrank(error):
                raise
            return
        self._wrote = self._wrote or "updated"

    def _shrank(self, error: ApiError) -> bool:
        """Whether the comment was refused for its size, and can be tried again at half of it."""
        too_long = error.reason is Reason.VALIDATION and "too long" in error.message.lower()
        if too_long and self._limit > 1000:
            self._limit //= 2
            return True
        return False

    def _hide(self, comment: _Comment) -> None:
        """Fold an old comment away as outdated, and forget it; one that is gone is fine."""
        try:
            self._api.graphql(_MINIMIZE, {"id": comment.node})
            body = comment_body.outdated(_lines(comment.body), self._key)
            self._api.patch(f"{self._comments}/{comment.id}", {"body": body})
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    def _pause(self) -> None:
        self._api.clock.sleep(_SETTLE * (1 + self._api.clock.jitter()))


def _is_of_run(comment: _Comment, own: Section) -> bool:
    return any(section.run == own.run for section in comment.sections)


def _is_after(comment: _Comment, own: Section) -> bool:
    return any(s.run > own.run and s.workflow == own.workflow for s in comment.sections)


def _lines(body: str) -> str:
    return body.replace("\r\n", "\n").rstrip("\n")
