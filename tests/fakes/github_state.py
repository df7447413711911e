"""What the stand-in for GitHub knows: pull requests, comments, releases, assets, check runs."""

from __future__ import annotations

import base64
import hashlib
import itertools
import threading
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
REPOSITORY = "octo/models"
TOKEN = "ghs_0123456789abcdefTHISISSECRET"
BOT = "github-actions[bot]"
ALL = frozenset({"pull_requests", "contents", "checks"})


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, *, code: str = "", permission: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "documentation_url": "https://docs.github.com/rest"}
        if code:
            self.body["errors"] = [{"resource": "ReleaseAsset", "field": "name", "code": code}]
        self.headers = {"X-Accepted-GitHub-Permissions": permission} if permission else {}


@dataclass
class State:
    """All of it, with the token that is right and what it may write."""

    url: str = ""
    repository: str = REPOSITORY
    token: str = TOKEN
    author: str = BOT
    writable: frozenset[str] = ALL
    digests: bool = True  # assets have them since June 2025; older servers don't
    pulls: dict[int, Json] = field(default_factory=dict)
    comments: dict[int, Json] = field(default_factory=dict)
    minimized: set[str] = field(default_factory=set)
    releases: dict[int, Json] = field(default_factory=dict)
    assets: dict[int, Json] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    checks: dict[int, Json] = field(default_factory=dict)
    files: dict[tuple[str, str], bytes] = field(default_factory=dict)  # by branch and path
    history: list[str] = field(default_factory=list)  # commits of the default branch, newest first
    lock: threading.RLock = field(default_factory=threading.RLock)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1001))

    # What tests put there and look up.

    def add_pull(self, number: int, head: str = "a" * 40, **changes: Any) -> Json:
        pull = {
            "number": number,
            "state": "open",
            "locked": False,
            "merge_commit_sha": None,
            "head": {
                "sha": head,
                "ref": "topic",
                "label": "octo:topic",
                "repo": {"full_name": self.repository},
            },
            "base": {"sha": "b" * 40, "ref": "main", "repo": {"full_name": self.repository}},
        } | changes
        self.pulls[number] = pull
        return pull

    def add_comment(self, pull: int, body: str, login: str = "somebody") -> Json:
        number = next(self._ids)
        comment = {
            "id": number,
            "node_id": f"IC_{number}",
            "body": body,
            "user": {"login": login, "type": "Bot" if login.endswith("[bot]") else "User"},
            "html_url": f"https://github.com/{self.repository}/pull/{pull}#issuecomment-{number}",
            "issue": pull,
        }
        self.comments[number] = comment
        return comment

    def add_release(self, tag: str, **changes: Any) -> Json:
        number = next(self._ids)
        base = f"{self.url}/repos/{self.repository}/releases/{number}"
        release = {
            "id": number,
            "tag_name": tag,
            "name": tag,
            "body": "",
            "draft": False,
            "prerelease": False,
            "immutable": False,
            "upload_url": f"{base}/assets{{?name,label}}",
            "html_url": f"https://github.com/{self.repository}/releases/tag/{tag}",
        } | changes
        self.releases[number] = release
        return release

    def add_asset(
        self, release: int, name: str, content: bytes, state: str = "uploaded", **changes: Any
    ) -> Json:
        number = next(self._ids)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        asset = {
            "id": number,
            "release": release,
            "name": name,
            "state": state,
            "size": len(content),
            "digest": digest if self.digests and state == "uploaded" else None,
            "created_at": "2026-11-23T10:00:00Z",
            "browser_download_url": f"https://github.com/{self.repository}/releases/{name}",
        } | changes
        self.assets[number] = asset
        self.contents[number] = content
        return asset

    def names(self, release: int) -> dict[str, bytes]:
        """The whole files of a release by name; a name held twice would show as a failure."""
        assets = [a for a in self.assets.values() if a["release"] == release]
        names = [a["name"] for a in assets]
        assert len(names) == len(set(names)), names
        return {a["name"]: self.contents[a["id"]] for a in assets if a["state"] == "uploaded"}

    # What requests do.

    def need(self, permission: str) -> None:
        if permission not in self.writable:
            raise RefusedError(
                403, "Resource not accessible by integration", permission=f"{permission}=write"
            )

    def find(self, table: dict[int, Json], number: str) -> Json:
        if int(number) not in table:
            raise RefusedError(404, "Not Found")
        return table[int(number)]

    def comment(self, pull: str, body: Json) -> Json:
        self.need("pull_requests")
        if self.find(self.pulls, pull)["locked"]:
            raise RefusedError(403, "Unable to create comment because issue is locked.")
        self._fits(body)
        return self.add_comment(int(pull), body["body"], self.author)

    def edit_comment(self, number: str, body: Json) -> Json:
        self.need("pull_requests")
        comment = self.find(self.comments, number)
        self._fits(body)
        comment["body"] = body["body"]
        return comment

    def _fits(self, body: Json) -> None:
        if len(body["body"]) > 65_536:
            raise RefusedError(422, "Body is too long (maximum is 65536 characters)")

    def file(self, path: str, ref: str) -> Json:
        if (ref, path) not in self.files:
            raise RefusedError(404, "Not Found")
        content = self.files[ref, path]
        shown = len(content) <= 2**20  # GitHub: larger ones have an empty content, encoding none
        return {
            "type": "file",
            "path": path,
            "size": len(content),
            "encoding": "base64" if shown else "none",
            "content": base64.encodebytes(content).decode() if shown else "",
        }

    def by_tag(self, tag: str) -> Json:
        for release in self.releases.values():
            if release["tag_name"] == tag and not release["draft"]:
                return release
        raise RefusedError(404, "Not Found")

    def latest(self) -> Json:
        for release in reversed(self.releases.values()):
            if not release["draft"] and not release["prerelease"]:
                return release
        raise RefusedError(404, "Not Found")

    def edit_release(self, number: str, body: Json) -> Json:
        self.need("contents")
        release = self.find(self.releases, number)
        release.update(body)
        return release

    def upload(self, release: str, name: str, content: bytes) -> Json:
        self.need("contents")
        if self.find(self.releases, release)["immutable"]:
            raise RefusedError(422, "Cannot upload assets to an immutable release.")
        name = name.replace(" ", ".")
        self._free(int(release), name)
        return self.add_asset(int(release), name, content)

    def edit_asset(self, number: str, body: Json) -> Json:
        self.need("contents")
        asset = self.find(self.assets, number)
        if body.get("name", asset["name"]) != asset["name"]:
            self._free(asset["release"], body["name"])
        asset.update(body)
        return asset

    def _free(self, release: int, name: str) -> None:
        if any(a["release"] == release and a["name"] == name for a in self.assets.values()):
            raise RefusedError(422, "Validation Failed", code="already_exists")

    def delete(self, table: dict[int, Json], number: str, permission: str) -> None:
        self.need(permission)
        self.find(table, number)
        del table[int(number)]

    def check(self, body: Json) -> Json:
        self.need("checks")
        number = next(self._ids)
        self.checks[number] = {"id": number, "annotations": [], "html_url": f"https://c/{number}"}
        return self.edit_check(str(number), body)

    def edit_check(self, number: str, body: Json) -> Json:
        self.need("checks")
        check = self.find(self.checks, number)
        output = dict(body.get("output", {}))
        annotations = output.pop("annotations", [])
        if len(annotations) > 50 or len(output.get("summary", "")) > 65_535:
            raise RefusedError(422, "Invalid request.")
        check["annotations"] += annotations
        check.update({k: v for k, v in body.items() if k != "output"})
        check["output"] = {**check.get("output", {}), **output}
        return check
