"""Requests to GitHub's REST and GraphQL interfaces: one session, patient, and discreet."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from coral_action import __version__
from coral_action.github.clock import Clock
from coral_action.github.faults import (
    PATIENCE,
    TRIES,
    ApiError,
    Reason,
    hint_for,
    reason_of,
    seconds_to_wait,
)
from coral_action.github.token import Token

if TYPE_CHECKING:
    import requests

PUBLIC_API = "https://api.github.com"
_TIMEOUT = (10.0, 30.0)  # seconds: to connect, and between two bytes of the answer
_UPLOAD_TIMEOUT = (10.0, 120.0)
_BETWEEN_WRITES = 1.0  # seconds, "wait at least one second between each request"
_REDIRECTS = 5
_PAGES = 100
_MESSAGE_CHARACTERS = 300


class GitHubApi:
    """A session with one GitHub, by token.

    Requests that can be repeated without harm are, after faults that pass. A POST is repeated only
    where GitHub surely did not carry it out; otherwise its `ApiError` is `uncertain`, and the
    caller has to look. Every method raises `ApiError`.
    """

    def __init__(
        self,
        url: str,
        token: Token,
        *,
        graphql_url: str = "",
        clock: Clock | None = None,
        timeout: tuple[float, float] = _TIMEOUT,
    ) -> None:
        import requests

        self.url = url.rstrip("/")
        self._graphql_url = graphql_url or f"{self.url}/graphql"
        self._token = token
        self._timeout = timeout
        self.clock = clock or Clock()
        self._last_write = -_BETWEEN_WRITES
        # Proxies and REQUESTS_CA_BUNDLE come from the environment. The token is given to each
        # request and not to the session, which would replace it by what is in a .netrc file.
        self._session = requests.Session()
        self._session.headers.update(
            {
                "Accept": "application/vnd.github+json, application/json",
                "User-Agent": f"coral-quantize/{__version__}",
                "X-GitHub-Api-Version": "2022-11-28",
            }
        )

    def __repr__(self) -> str:
        return f"GitHubApi({self.url})"

    @property
    def writes_as_bot(self) -> bool:
        """Whether the token is an app's, so that its comments are by a bot and no person."""
        return self._token.is_of_app

    def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON at a path such as /repos/OWNER/NAME."""
        return self._json("GET", self._absolute(path), params=parameters)

    def pages(self, path: str, key: str = "", **parameters: str | int) -> Iterator[Any]:
        """All items of a list over all its pages; `key` names the list inside of an object."""
        url: str | None = self._absolute(path)
        arguments: dict[str, Any] = {"params": {"per_page": 100, **parameters}}
        for _ in range(_PAGES):
            answer, response = self._exchange("GET", str(url), **arguments)
            yield from answer[key] if key else answer
            url, arguments = response.links.get("next", {}).get("url"), {}
            if url is None:
                return
            if _origin(url) != _origin(self.url):
                raise ApiError(f"GET {path}: its next page is on another server", Reason.ANSWER)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Make something new; not repeated where it may have been made already."""
        return self._json("POST", self._absolute(path), json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change something; the same change twice does no harm."""
        return self._json("PATCH", self._absolute(path), json=body)

    def delete(self, path: str) -> None:
        """Remove something; that it is gone already is fine."""
        try:
            self._json("DELETE", self._absolute(path))
        except ApiError as error:
            if error.reason is not Reason.NOT_FOUND:
                raise

    def upload(self, url: str, file: Path, name: str) -> Any:
        """Send a file to a release's upload address, without its `{?name,label}`."""
        target = re.sub(r"\{[^}]*\}$", "", url)
        if not _is_upload_address(target, self.url):
            raise ApiError("the release's upload address is on another server", Reason.ANSWER)
        headers = {"Content-Type": "application/octet-stream"}
        return self._json("POST", target, params={"name": name}, headers=headers, file=file)

    def download(self, path: str) -> bytes:
        """The bytes of a release asset."""
        headers = {"Accept": "application/octet-stream"}
        return self._send("GET", self._absolute(path), headers=headers).content

    def graphql(self, query: str, variables: Mapping[str, Any] | None = None) -> Any:
        """The `data` of a GraphQL answer; queries and mutations of ours can all be repeated."""
        body = {"query": query, "variables": dict(variables or {})}
        answer = self._json("POST", self._graphql_url, json=body, repeatable=True)
        if answer.get("errors"):
            first = answer["errors"][0]
            reason = {"FORBIDDEN": Reason.PERMISSION, "NOT_FOUND": Reason.NOT_FOUND}
            raise ApiError(
                self._token.hide(f"GraphQL: {first.get('message', '')[:_MESSAGE_CHARACTERS]}"),
                reason.get(first.get("type", ""), Reason.VALIDATION),
            )
        return answer["data"]

    def _absolute(self, path: str) -> str:
        return f"{self.url}{path}"

    def _json(self, method: str, url: str, **arguments: Any) -> Any:
        return self._exchange(method, url, **arguments)[0]

    def _exchange(self, method: str, url: str, **arguments: Any) -> tuple[Any, requests.Response]:
        """Send, and read the JSON of the answer (None where there is none)."""
        response = self._send(method, url, **arguments)
        return (None if response.status_code == 204 else response.json()), response

    def _send(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool | None = None,
        file: Path | None = None,
        **arguments: Any,
    ) -> requests.Response:
        """One request with as many tries as it takes and its kind allows."""
        repeatable = method != "POST" if repeatable is None else repeatable
        name = f"{method} {urlsplit(url).path}"
        waited = 0.0
        for attempt in range(1, TRIES + 1):
            if method != "GET":
                self._space_writes()
            result = self._try(method, url, name, file=file, **arguments)
            if not isinstance(result, _Failure):
                return result
            error, headers = result.error, result.headers
            final = error.reason in (
                Reason.AUTHENTICATION,
                Reason.PERMISSION,
                Reason.NOT_FOUND,
                Reason.VALIDATION,
            )
            unsafe = error.uncertain and not repeatable
            now, jitter = self.clock.now(), self.clock.jitter()
            wait = seconds_to_wait(error.reason, headers, attempt, now, jitter)
            if final or unsafe or attempt == TRIES or waited + wait > PATIENCE:
                raise error
            waited += wait
            self.clock.sleep(wait)
        raise AssertionError("unreachable")

    def _try(
        self, method: str, url: str, name: str, *, file: Path | None, **arguments: Any
    ) -> requests.Response | _Failure:
        """One try: an answer, or what is wrong with it."""
        import requests

        try:
            response = self._follow(method, url, file, arguments)
        except requests.RequestException as fault:
            # The fault itself holds the request with its headers: only its kind is passed on.
            connected = not isinstance(fault, requests.ConnectTimeout) and not _never_sent(fault)
            what = "no answer in time" if isinstance(fault, requests.Timeout) else "connection lost"
            kind = type(fault).__name__
            error = ApiError(
                f"{name}: {what if connected else 'no connection'} ({kind})",
                Reason.CONNECTION,
                uncertain=connected,
                hint=hint_for(Reason.CONNECTION, {}),
            )
            return _Failure(error, {})
        message = _message(response)
        reason = reason_of(response.status_code, response.headers, message)
        if reason is None and _is_readable(response, arguments):
            return response
        reason = reason or Reason.ANSWER
        says = message or ("is no JSON" if reason is Reason.ANSWER else response.reason or "")
        error = ApiError(
            self._token.hide(f"{name}: {response.status_code}: {says}"),
            reason,
            status=response.status_code,
            uncertain=reason in (Reason.SERVER, Reason.ANSWER),
            hint=hint_for(reason, response.headers),
        )
        return _Failure(error, response.headers)

    def _follow(
        self, method: str, url: str, file: Path | None, arguments: dict[str, Any]
    ) -> requests.Response:
        """Send, and follow redirects: with the token on the same server, without it elsewhere."""
        import requests

        arguments = dict(arguments)
        timeout = self._timeout if file is None else _UPLOAD_TIMEOUT
        first = url
        for _ in range(_REDIRECTS):
            trusted = url == first or _origin(url) == _origin(first)
            auth = _Bearer(self._token) if trusted else _Nobody()
            common = {"auth": auth, "timeout": timeout, "allow_redirects": False, **arguments}
            if file is None:
                response = self._session.request(method, url, **common)
            else:
                with file.open("rb") as content:
                    body = content if file.stat().st_size else b""
                    response = self._session.request(method, url, data=body, **common)
            target = response.headers.get("location")
            if response.status_code not in (301, 302, 307, 308) or target is None:
                return response
            url = urljoin(url, target)
            arguments.pop("params", None)
            if method != "GET" and _origin(url) != _origin(first):
                raise requests.TooManyRedirects("a write was redirected to another server")
        raise requests.TooManyRedirects("redirected too often")

    def _space_writes(self) -> None:
        pause = self._last_write + _BETWEEN_WRITES - self.clock.monotonic()
        if pause > 0:
            self.clock.sleep(pause)
        self._last_write = self.clock.monotonic()


@dataclass(frozen=True)
class _Failure:
    """A try that failed, with the headers that say when to come back."""

    error: ApiError
    headers: Mapping[str, str]


class _Bearer:
    """Puts the token into a request."""

    def __init__(self, token: Token) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._token.header()
        return request


class _Nobody:
    """Keeps the HTTP library from adding credentials of its own."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers.pop("Authorization", None)
        return request


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def _is_upload_address(url: str, api: str) -> bool:
    """Whether the token may be sent there: the API's own server, or its sister `uploads.`."""
    scheme, host = _origin(api)
    sister = re.sub(r"^api\.", "uploads.", host)
    return _origin(url) in ((scheme, host), (scheme, sister))


def _never_sent(fault: Exception) -> bool:
    """Whether no connection was made at all, so that GitHub can't have done anything."""
    return "NewConnectionError" in str(fault) or "NameResolutionError" in str(fault)


def _is_readable(response: requests.Response, arguments: Mapping[str, Any]) -> bool:
    wants_bytes = "octet-stream" in arguments.get("headers", {}).get("Accept", "")
    if response.status_code == 204 or wants_bytes:
        return True
    try:
        response.json()
    except ValueError:
        return False
    return True


def _message(response: requests.Response) -> str:
    """What GitHub says of a failure, in one line."""
    if response.status_code < 400:
        return ""
    try:
        body = response.json()
        details = [e if isinstance(e, str) else _detail(e) for e in body.get("errors", [])]
        text = ", ".join([str(body["message"]), *filter(None, details)])
    except (ValueError, KeyError, AttributeError, TypeError):
        return ""
    return " ".join(text.split())[:_MESSAGE_CHARACTERS]


def _detail(error: Mapping[str, Any]) -> str:
    keys = ("resource", "field", "code", "message")
    return " ".join(str(error[key]) for key in keys if error.get(key))
