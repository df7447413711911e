"""The release of a tag: found or made, filled, and only then published."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from coral_action.errors import UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.assets import AssetStore, ReleaseGoneError, Upload, uploads_of
from coral_action.github.faults import TRIES, ApiError, Reason, seconds_to_wait
from coral_action.github.release_notes import (
    SUMS_NAME,
    UNPUBLISHED,
    checksums,
    files_table,
    with_table,
)
from coral_action.report.model import Report

# What git allows in a tag, roughly; the tag becomes a part of addresses.
_TAG = re.compile(r"[^\s\x00-\x1f\x7f~^:?*\[\\]{1,200}")


@dataclass(frozen=True)
class ReleaseOutcome:
    """What the release has now."""

    url: str
    uploaded: tuple[str, ...]
    unchanged: tuple[str, ...]
    is_draft: bool


class ReleaseWriter:
    """Brings files to the release of one tag."""

    def __init__(
        self,
        api: GitHubApi,
        repository: str,
        tag: str,
        *,
        commit: str = "",
        server_url: str = "https://github.com",
    ) -> None:
        if not _TAG.fullmatch(tag) or ".." in tag or tag.startswith(("-", "/", ".")):
            raise UsageError(f"release tag {tag!r}: git has no such tags")
        self._api = api
        self._repository = repository
        self._releases = f"/repos/{repository}/releases"
        self._tag = tag
        self._commit = commit
        self._download = f"{server_url}/{repository}/releases/download/{quote(tag)}"

    def publish(self, files: Sequence[Path], report: Report | None = None) -> ReleaseOutcome:
        """Upload the files, SHA256SUMS, and a table into the notes.

        A release that exists stays what it is, draft or published; one that we made is published
        at the end.

        Raises:
            ApiError, GitHubError: if GitHub can't be reached or refuses.
            UsageError: if a file can't be read.
        """
        uploads = uploads_of(files)
        for _ in range(TRIES):
            release = self._find() or self._create()
            try:
                return self._fill(release, uploads, report)
            except ReleaseGoneError:
                continue
        raise ApiError(f"the release {self._tag} is deleted again and again", Reason.NOT_FOUND)

    def _fill(
        self, release: dict[str, Any], uploads: Sequence[Upload], report: Report | None
    ) -> ReleaseOutcome:
        store = AssetStore(self._api, self._repository, release)
        put = {upload.name: store.put(upload) for upload in uploads}
        put[SUMS_NAME] = self._put_sums(store, uploads)
        release = self._finish(release, store, report)
        return ReleaseOutcome(
            url=str(release["html_url"]),
            uploaded=tuple(name for name, new in put.items() if new),
            unchanged=tuple(name for name, new in put.items() if not new),
            is_draft=bool(release["draft"]),
        )

    def _put_sums(self, store: AssetStore, uploads: Sequence[Upload]) -> bool:
        """SHA256SUMS of all that the release has, ours and other jobs'."""
        changed = False
        with tempfile.TemporaryDirectory(prefix="coral-") as folder:
            path = Path(folder) / SUMS_NAME
            for _ in range(TRIES):
                own = {upload.name: upload.digest for upload in uploads}
                text = checksums((own | _digests(store.all())).items())
                if path.exists() and path.read_text() == text:
                    return changed  # nobody added a file while we wrote
                path.write_text(text)
                changed |= store.put(Upload.of(path))
        return changed

    def _finish(
        self, release: dict[str, Any], store: AssetStore, report: Report | None
    ) -> dict[str, Any]:
        """The table into the notes; and a release of our making into the open."""
        path = f"{self._releases}/{release['id']}"
        try:
            # Its notes may have been changed since: by a person, or by another job.
            release = self._api.get(path)
            notes = str(release.get("body") or "")
            ours = release["draft"] and UNPUBLISHED in notes
            table = files_table(report, store.all(), self._download)
            changed = with_table(notes.replace(UNPUBLISHED, ""), table)
            if ours or changed != notes.replace("\r\n", "\n"):
                publication = {"draft": False} if ours else {}
                release = self._api.patch(path, {"body": changed, **publication})
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                raise ReleaseGoneError from None
            raise
        return release

    def _find(self) -> dict[str, Any] | None:
        """The release of the tag: the published one, else the oldest draft."""
        try:
            found: dict[str, Any] = self._api.get(f"{self._releases}/tags/{quote(self._tag, '')}")
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise
        else:
            return found
        # Drafts have no tag yet: they are only in the list, for who may write.
        drafts = [r for r in self._api.pages(self._releases) if r["tag_name"] == self._tag]
        return min(drafts, key=lambda release: int(release["id"]), default=None)

    def _create(self) -> dict[str, Any]:
        """A new draft; if two jobs make one each, the later one goes."""
        body = {"tag_name": self._tag, "name": self._tag, "draft": True, "body": UNPUBLISHED}
        if self._commit:
            body["target_commitish"] = self._commit
        created: dict[str, Any] | None = None
        for attempt in range(1, TRIES + 1):
            try:
                created = self._api.post(self._releases, body)
            except ApiError as error:
                taken = error.reason is Reason.VALIDATION and "already_exists" in error.message
                if not (error.uncertain or taken) or attempt == TRIES:
                    raise
                jitter = self._api.clock.jitter()
                self._api.clock.sleep(seconds_to_wait(error.reason, {}, attempt, 0, jitter))
            first = self._find() or created
            if first is not None and created is not None and first["id"] != created["id"]:
                self._api.delete(f"{self._releases}/{created['id']}")
            if first is not None:
                return first
        raise AssertionError("unreachable")


def _digests(assets: Sequence[dict[str, Any]]) -> dict[str, str]:
    """SHA-256 by name, as far as the server tells."""
    return {
        asset["name"]: str(asset["digest"]).removeprefix("sha256:")
        for asset in assets
        if asset.get("digest")
    }
