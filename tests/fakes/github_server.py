"""A stand-in for GitHub: real HTTP on the loopback address, with a memory, and faults by script.

It knows the few requests that the program makes and answers 501 to any other, which fails the test.
"""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from fakes.github_state import Json, RefusedError, State


@dataclass
class Request:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        loaded: Json = json.loads(self.body)
        return loaded


@dataclass
class Answer:
    """One answer; `sent` less than all of it cuts the connection there."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sent: float = 1.0


@dataclass
class Fault:
    """Something that goes wrong at requests like this one, `times` times.

    `answer` gets the request and what makes the right answer, and returns the answer that is sent;
    None closes the connection without a word.
    """

    method: str
    path: str
    answer: Callable[[Request, Callable[[], Answer]], Answer | None]
    times: int = 1
    on_upload: bool = False


Handler = Callable[[State, Request, re.Match[str]], Any]
ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", "/pulls"): lambda s, r, m: list(s.pulls.values()),
    ("GET", "/pulls/{pull_number}"): lambda s, r, m: s.find(s.pulls, m[1]),
    ("GET", "/contents/{path}"): lambda s, r, m: s.file(unquote(m[1]), r.query["ref"]),
    ("GET", "/commits"): lambda s, r, m: [{"sha": sha} for sha in s.history],
    ("GET", "/commits/{commit_sha}/pulls"): lambda s, r, m: [
        p for p in s.pulls.values() if m[1] in (p["head"]["sha"], p["merge_commit_sha"])
    ],
    ("GET", "/commits/{ref}/check-runs"): lambda s, r, m: {
        "total_count": 0,
        "check_runs": [
            c
            for c in s.checks.values()
            if c["head_sha"] == m[1] and c["name"] == r.query.get("check_name", c["name"])
        ],
    },
    ("POST", "/check-runs"): lambda s, r, m: s.check(r.json),
    ("PATCH", "/check-runs/{check_run_id}"): lambda s, r, m: s.edit_check(m[1], r.json),
    ("GET", "/issues/{issue_number}/comments"): lambda s, r, m: [
        c for c in s.comments.values() if c["issue"] == int(m[1])
    ],
    ("POST", "/issues/{issue_number}/comments"): lambda s, r, m: s.comment(m[1], r.json),
    ("GET", "/issues/comments/{comment_id}"): lambda s, r, m: s.find(s.comments, m[1]),
    ("PATCH", "/issues/comments/{comment_id}"): lambda s, r, m: s.edit_comment(m[1], r.json),
    ("DELETE", "/issues/comments/{comment_id}"): lambda s, r, m: s.delete(
        s.comments, m[1], "pull_requests"
    ),
    ("GET", "/releases"): lambda s, r, m: list(reversed(s.releases.values())),
    ("GET", "/releases/latest"): lambda s, r, m: s.latest(),
    ("GET", "/releases/tags/{tag}"): lambda s, r, m: s.by_tag(unquote(m[1])),
    ("POST", "/releases"): lambda s, r, m: (
        s.need("contents") or s.add_release(r.json["tag_name"], **r.json)
    ),
    ("GET", "/releases/{release_id}"): lambda s, r, m: s.find(s.releases, m[1]),
    ("PATCH", "/releases/{release_id}"): lambda s, r, m: s.edit_release(m[1], r.json),
    ("DELETE", "/releases/{release_id}"): lambda s, r, m: s.delete(s.releases, m[1], "contents"),
    ("GET", "/releases/{release_id}/assets"): lambda s, r, m: (
        s.find(s.releases, m[1]) and [a for a in s.assets.values() if a["release"] == int(m[1])]
    ),
    ("POST", "/releases/{release_id}/assets"): lambda s, r, m: s.upload(
        m[1], r.query["name"], r.body
    ),
    ("GET", "/releases/assets/{asset_id}"): lambda s, r, m: (
        s.find(s.assets, m[1]) and s.contents[int(m[1])]
    ),
    ("PATCH", "/releases/assets/{asset_id}"): lambda s, r, m: s.edit_asset(m[1], r.json),
    ("DELETE", "/releases/assets/{asset_id}"): lambda s, r, m: s.delete(s.assets, m[1], "contents"),
}


class GitHubServer:
    """The server; `state` is what it remembers, `requests` all that it was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.unknown: list[str] = []
        self.latency: Callable[[], float] | None = None
        self.watch: Callable[[State], None] = lambda state: None  # after each request
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.handle_error = self._note_error  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.state = State(url=self.url)

    def _note_error(self, request: Any, address: Any) -> None:
        """A client that left is part of the game; anything else is a mistake of the stand-in."""
        if not isinstance(sys.exception(), ConnectionError | ssl.SSLError):
            self.unknown.append(repr(sys.exception()))

    @contextmanager
    def running(self) -> Iterator[GitHubServer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()

    def use_tls(self, folder: Path) -> Path:
        """Serve with a certificate that nobody knows yet; returns the file that vouches for it."""
        bundle = folder / "certificate.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
                *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", folder / "key.pem", "-out", bundle),
            ],
            check=True,
            capture_output=True,
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(bundle, folder / "key.pem")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")
        return bundle

    def count(self, method: str, path: str = "") -> int:
        return sum(r.method == method and path in r.path for r in self.requests)

    def answer(self, request: Request) -> Answer | None:
        with self.state.lock:
            self.requests.append(request)
            fault = self._fault(request)
        if self.latency:
            time.sleep(self.latency())
        if fault is not None:
            return fault.answer(request, lambda: self._right(request))
        answer = self._right(request)
        if self.latency:
            time.sleep(self.latency())
        return answer

    def _fault(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if request.method == fault.method and re.search(fault.path, request.path):
                fault.times -= 1
                if not fault.times:
                    self.faults.remove(fault)
                return fault
        return None

    def _right(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.state.token}":
            return _json(401, {"message": "Bad credentials"})
        try:
            with self.state.lock:
                result = self._dispatch(request)
                self.watch(self.state)
        except RefusedError as refused:
            return _json(refused.status, refused.body, refused.headers)
        if result is None:
            return Answer(204, b"")
        if isinstance(result, bytes):
            return Answer(200, result, {"Content-Type": "application/octet-stream"})
        if isinstance(result, list):
            return self._page(request, result)
        return _json(201 if request.method == "POST" else 200, result)

    def _dispatch(self, request: Request) -> Any:
        if request.path == "/graphql":
            return self._graphql(request.json)
        for (method, template), handler in ROUTES.items():
            pattern = re.sub(r"\{\w+\}", "([^/]+)", template.replace("{path}", "(.+)"))
            match = re.fullmatch(f"/repos/{self.state.repository}{pattern}", request.path)
            numeric = "_id}" in template or "number}" in template
            if match and method == request.method and (not numeric or match[1].isdecimal()):
                return handler(self.state, request, match)
        self.unknown.append(f"{request.method} {request.path}")
        raise RefusedError(501, "this stand-in does not know the request")

    def _graphql(self, body: Json) -> Json:
        if "viewer" in body["query"]:
            return {"data": {"viewer": {"login": self.state.author}}}
        if "minimizeComment" in body["query"]:
            self.state.need("pull_requests")
            self.state.minimized.add(body["variables"]["id"])
            return {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}}
        self.unknown.append(body["query"])
        raise RefusedError(501, "this stand-in does not know the query")

    def _page(self, request: Request, items: list[Any]) -> Answer:
        size = min(int(request.query.get("per_page", 30)), 100)
        page = int(request.query.get("page", 1))
        headers = {}
        if page * size < len(items):
            following = f"{self.url}{request.path}?per_page={size}&page={page + 1}"
            headers["Link"] = f'<{following}>; rel="next"'
        return _json(200, items[(page - 1) * size : page * size], headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class RequestHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                url = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                uploads = [f for f in server.faults if f.on_upload and length]
                cut = next((f for f in uploads if re.search(f.path, url.path)), None)
                body = self.rfile.read(length // 2 if cut else length)
                request = Request(
                    self.command,
                    url.path,
                    {key: values[0] for key, values in parse_qs(url.query).items()},
                    {key.lower(): value for key, value in self.headers.items()},
                    body,
                )
                self.send(server.answer(request))

            def send(self, answer: Answer | None) -> None:
                self.close_connection = True
                if answer is None:
                    self.connection.close()
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Connection", "close")
                if answer.status != 204:
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: int(len(answer.body) * answer.sent)])

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        for method in ("GET", "POST", "PATCH", "PUT", "DELETE"):
            setattr(RequestHandler, f"do_{method}", RequestHandler.handle_any)
        return RequestHandler


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    content = json.dumps(body).encode()
    return Answer(status, content, {"Content-Type": "application/json", **(headers or {})})


# Faults, ready to use.


def status(code: int, message: str = "", **headers: str) -> Callable[..., Answer]:
    """An answer with this code instead of the right one."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request, right: _json(code, {"message": message or f"status {code}"}, named)


def done_but(code: int) -> Callable[..., Answer]:
    """The request is carried out, and yet the answer is an error."""

    def answer(request: Request, right: Callable[[], Answer]) -> Answer:
        right()
        return _json(code, {"message": f"status {code}"})

    return answer


def cut(request: Request, right: Callable[[], Answer]) -> None:
    """The connection closes without an answer, and nothing was done."""


def done_but_cut(request: Request, right: Callable[[], Answer]) -> None:
    """The same, but the request was carried out."""
    right()


def truncated(request: Request, right: Callable[[], Answer]) -> Answer:
    """Half of the right answer, then the connection closes."""
    answer = right()
    answer.sent = 0.5
    return answer


def half_json(request: Request, right: Callable[[], Answer]) -> Answer:
    """Half of the right JSON, said to be all of it."""
    answer = right()
    return Answer(answer.status, answer.body[: len(answer.body) // 2], answer.headers)


def page_of_html(request: Request, right: Callable[[], Answer]) -> Answer:
    """What a proxy or a maintenance page says, with a status that promises JSON."""
    return Answer(200, b"<!DOCTYPE html><h1>Unicorn!</h1>", {"Content-Type": "text/html"})


def starter(server: GitHubServer) -> Callable[..., Answer | None]:
    """A 502 during an upload that leaves an asset without content under its name."""

    def answer(request: Request, right: Callable[[], Answer]) -> Answer:
        release = int(request.path.split("/")[-2])
        server.state.add_asset(release, request.query["name"], b"", "starter")
        return _json(502, {"message": "bad gateway"})

    return answer


def silence(seconds: float) -> Callable[..., Answer]:
    """No answer within the time that the client gives."""

    def answer(request: Request, right: Callable[[], Answer]) -> Answer:
        time.sleep(seconds)
        return _json(504, {"message": "too late"})

    return answer
