"""Files as assets of a release: put there whole, replaced without ever losing the old one."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.errors import GitHubError, UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.faults import TRIES, ApiError, Reason, seconds_to_wait

_TEMPORARY = ".coral-upload-"
_NAME_CHARACTERS = 200


class ReleaseGoneError(Exception):
    """The release was deleted meanwhile."""


@dataclass(frozen=True)
class Upload:
    """A file that a release is to have; `digest` is its SHA-256 in hex, `size` in bytes."""

    name: str
    path: Path
    size: int
    digest: str

    @classmethod
    def of(cls, path: Path) -> Upload:
        """From a file on disk.

        Raises:
            UsageError: if it can't be read.
        """
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            return cls(asset_name(path.name), path, path.stat().st_size, digest)
        except OSError as error:
            raise UsageError(f"{path}: can't be read for the release: {error.strerror}") from error

    def is_same_as(self, asset: dict[str, Any]) -> bool:
        """Whether an asset is this file for certain; servers before June 2025 give no digest."""
        return (
            asset["state"] == "uploaded"
            and asset["size"] == self.size
            and asset.get("digest") == f"sha256:{self.digest}"
        )

    def may_be(self, asset: dict[str, Any]) -> bool:
        """Whether nothing speaks against an asset that we have just sent."""
        digest = asset.get("digest")
        whole = asset["state"] == "uploaded" and asset["size"] == self.size
        return whole and digest in (None, f"sha256:{self.digest}")


def asset_name(name: str) -> str:
    """A name that GitHub keeps as it is; it turns others into something else by itself."""
    safe = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]", ".", name)).strip(".")
    return safe[-_NAME_CHARACTERS:].lstrip(".") or "file"


def uploads_of(paths: Iterable[Path]) -> list[Upload]:
    """All files, each once.

    Raises:
        UsageError: if one can't be read, or two would have one name.
    """
    by_name: dict[str, Upload] = {}
    for path in dict.fromkeys(path.resolve() for path in paths):
        upload = Upload.of(path)
        other = by_name.setdefault(upload.name.lower(), upload)
        if other is not upload:
            raise UsageError(f"{other.path} and {path} would have one name in the release")
    return list(by_name.values())


def is_temporary(name: str) -> bool:
    """Whether it is a half-done replacement of ours."""
    return _TEMPORARY in name


class AssetStore:
    """The assets of one release."""

    def __init__(self, api: GitHubApi, repository: str, release: dict[str, Any]) -> None:
        self._api = api
        self._assets = f"/repos/{repository}/releases/assets"
        self._list = f"/repos/{repository}/releases/{release['id']}/assets"
        self._upload_url = str(release["upload_url"])
        self._immutable = bool(release.get("immutable"))

    def all(self) -> list[dict[str, Any]]:
        """Every asset.

        Raises:
            ReleaseGoneError: if there is no such release any more.
        """
        try:
            return list(self._api.pages(self._list))
        except ApiError as error:
            if error.reason is Reason.NOT_FOUND:
                raise ReleaseGoneError from None
            raise

    def put(self, upload: Upload) -> bool:
        """Make the release have this file under its name; False if it had it already.

        Raises:
            ApiError, GitHubError: if GitHub can't be reached or refuses.
            ReleaseGoneError: if the release was deleted meanwhile.
        """
        for _ in range(TRIES):
            assets = self.all()
            old = _named(assets, upload.name)
            if old is not None and upload.is_same_as(old):
                self._clear(assets, upload)
                return False
            if self._immutable:
                raise _immutable(upload.name)
            if self._replace(upload, old, assets):
                return True
        raise ApiError(f"{upload.name}: other jobs keep replacing it", Reason.SERVER)

    def _replace(
        self, upload: Upload, old: dict[str, Any] | None, assets: list[dict[str, Any]]
    ) -> bool:
        """Put the file in the place of `old`; False if somebody else was faster."""
        if old is not None and old["state"] != "uploaded":
            self._delete(old)  # half an upload that was broken off: nothing is lost
            old = None
        # A run that was killed between deleting the old file and renaming the new one leaves this.
        ready = next((a for a in _temporary(assets, upload) if upload.is_same_as(a)), None)
        if ready is None and old is None:
            if self._send(upload, upload.name) is None:
                return False
            self._clear(assets, upload)
            return True
        new = ready or self._send(upload, f"{upload.name}{_TEMPORARY}{secrets.token_hex(4)}")
        if new is None:
            return False
        if old is not None:
            self._delete(old)
        renamed = self._rename(new, upload.name)
        self._clear([a for a in assets if a["id"] != new["id"]], upload)
        return renamed

    def _send(self, upload: Upload, name: str) -> dict[str, Any] | None:
        """Upload under this name; the asset, or None if the name is taken by another file."""
        for attempt in range(1, TRIES + 1):
            try:
                asset: dict[str, Any] = self._api.upload(self._upload_url, upload.path, name)
            except ApiError as error:
                self._raise_if_final(error, name)
                if error.uncertain and attempt == TRIES:
                    self._drop_unfinished(name)
                    raise
                if error.uncertain:
                    jitter = self._api.clock.jitter()
                    self._api.clock.sleep(seconds_to_wait(error.reason, {}, attempt, 0, jitter))
                found = _named(self.all(), name)
                if found is None:
                    continue
                if upload.may_be(found):
                    return found
                if found["state"] == "uploaded" and not error.uncertain:
                    return None
                asset = found
            if upload.may_be(asset):
                return asset
            self._delete(asset)  # cut short, or changed on the way
        raise ApiError(f"{name}: what arrives at GitHub is not what was sent", Reason.ANSWER)

    def _raise_if_final(self, error: ApiError, name: str) -> None:
        if error.reason is Reason.NOT_FOUND:
            raise ReleaseGoneError from None
        if "immutable" in error.message.lower():
            raise _immutable(name) from None
        if not error.uncertain and "already_exists" not in error.message:
            raise error

    def _rename(self, asset: dict[str, Any], name: str) -> bool:
        try:
            self._api.patch(f"{self._assets}/{asset['id']}", {"name": name})
        except ApiError as error:
            if "already_exists" not in error.message:
                raise
            found = _named(self.all(), name)
            if found is None or found["id"] != asset["id"]:
                return False  # the next try compares with what another job put there
        return True

    def _clear(self, assets: list[dict[str, Any]], upload: Upload) -> None:
        """Remove what earlier replacements of this file left behind, now that it is in place."""
        for asset in _temporary(assets, upload):
            self._delete(asset)

    def _drop_unfinished(self, name: str) -> None:
        asset = _named(self.all(), name)
        if asset is not None and asset["state"] != "uploaded":
            self._delete(asset)

    def _delete(self, asset: dict[str, Any]) -> None:
        self._api.delete(f"{self._assets}/{asset['id']}")


def _named(assets: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((asset for asset in assets if asset["name"] == name), None)


def _temporary(assets: list[dict[str, Any]], upload: Upload) -> list[dict[str, Any]]:
    return [asset for asset in assets if asset["name"].startswith(upload.name + _TEMPORARY)]


def _immutable(name: str) -> GitHubError:
    return GitHubError(
        f"the release is immutable and can't take {name}",
        hint="publish under a new tag, or have one job add all files while it is still a draft",
    )
