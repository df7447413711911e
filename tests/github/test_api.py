"""Where requests go, and what goes with them: above all, where the token does not go."""

from __future__ import annotations

import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from fakes.github_server import Answer, Fault, GitHubServer, done_but, status
from fakes.github_state import TOKEN

from coral_action.errors import UsageError
from coral_action.github.api import GitHubApi, _is_upload_address
from coral_action.github.faults import ApiError, Reason
from coral_action.github.token import Token

from .conftest import TestClock

PULLS = "/repos/octo/models/pulls"


def redirect(target: str, code: int = 307) -> Any:
    return lambda request, right: Answer(code, b"", {"Location": target})


def test_token_is_shown_nowhere(
    server: GitHubServer, api: GitHubApi, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = status(500, f"you sent Bearer {TOKEN}")
    server.faults.append(Fault("GET", PULLS, echo, times=-1))
    with pytest.raises(ApiError) as caught:
        api.get(PULLS)
    shown = "".join(traceback.format_exception(caught.value))
    token = Token(TOKEN)
    texts = [shown, repr(api), repr(token), f"{token}", caplog.text, repr(vars(caught.value))]
    assert not any(TOKEN in text for text in texts)
    assert "you sent Bearer ***" in caught.value.message
    with pytest.raises(TypeError):
        pickle.dumps(token)


def test_token_of_a_cut_connection_is_not_in_the_chain(api: GitHubApi, clock: TestClock) -> None:
    """The HTTP library's errors hold the request with its headers: they are not passed on."""
    lost = GitHubApi("http://127.0.0.1:9", Token(TOKEN), clock=clock)
    with pytest.raises(ApiError) as caught:
        lost.get("/x")
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in repr(vars(error))
        assert not hasattr(error, "request")
        error = error.__context__ or error.__cause__


@pytest.mark.parametrize("value", ["to\nken", "to ken", "tökén", "a\x00b"])
def test_what_can_be_no_token(value: str) -> None:
    with pytest.raises(UsageError) as caught:
        Token(value)
    assert value not in str(caught.value)


def test_token_of_the_environment() -> None:
    environment = {"INPUT_TOKEN": "", "GITHUB_TOKEN": " two \n", "GH_TOKEN": "three", "X": "y"}
    token = Token.from_environment(environment)
    assert token is not None
    assert token.header() == "Bearer two"
    Token.remove_from(environment)
    assert environment == {"X": "y"}
    assert Token.from_environment({}) is None


def test_redirect_on_the_same_server_keeps_the_token(server: GitHubServer, api: GitHubApi) -> None:
    """A renamed repository."""
    server.state.add_pull(7)
    server.faults.append(Fault("GET", r"/pulls/8$", redirect(f"{PULLS}/7", 301)))
    assert api.get(f"{PULLS}/8")["number"] == 7
    server.faults.append(Fault("POST", "/old/", redirect("/repos/octo/models/issues/7/comments")))
    assert api.post("/repos/octo/old/issues/7/comments", {"body": "moved"})["body"] == "moved"


def test_redirect_elsewhere_goes_without_the_token(
    server: GitHubServer, api: GitHubApi, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A download, and a .netrc that would add credentials of its own."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with GitHubServer().running() as other:
        other.faults.append(Fault("GET", "/blob", lambda request, right: Answer(200, b"content")))
        target = f"{other.url}/blob?signature=1"
        server.faults.append(Fault("GET", "/assets/1$", redirect(target, 302)))
        assert api.download("/repos/octo/models/releases/assets/1") == b"content"
        (request,) = other.requests
    assert "authorization" not in request.headers
    assert request.query == {"signature": "1"}
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


def test_write_is_not_redirected_elsewhere(server: GitHubServer, api: GitHubApi) -> None:
    with GitHubServer().running() as other:
        server.faults.append(Fault("POST", "/comments$", redirect(other.url + "/x")))
        with pytest.raises(ApiError):
            api.post("/repos/octo/models/issues/7/comments", {"body": "x"})
        assert other.requests == []


def test_endless_redirects(server: GitHubServer, api: GitHubApi) -> None:
    server.faults.append(Fault("GET", "/loop", redirect("/loop"), times=-1))
    with pytest.raises(ApiError):
        api.get("/loop")
    assert len(server.requests) <= 30


def test_next_page_on_another_server(server: GitHubServer, api: GitHubApi) -> None:
    link = {"Link": '<https://evil.example/?page=2>; rel="next"', "Content-Type": "a/json"}
    answer = Answer(200, b"[1]", link)
    server.faults.append(Fault("GET", "/pulls$", lambda request, right: answer))
    with pytest.raises(ApiError, match="another server"):
        list(api.pages(PULLS))


@pytest.mark.parametrize(
    ("url", "api_url", "allowed"),
    [
        ("https://uploads.github.com/repos/o/r/releases/1/assets", "https://api.github.com", True),
        ("https://uploads.octo.ghe.com/r/1/assets", "https://api.octo.ghe.com", True),
        ("https://git.example.com/api/uploads/r", "https://git.example.com/api/v3", True),
        ("https://uploads.github.com.evil.example/", "https://api.github.com", False),
        ("https://evil.example/uploads.github.com", "https://api.github.com", False),
        ("https://uploads.github.com@evil.example/", "https://api.github.com", False),
        ("http://uploads.github.com/", "https://api.github.com", False),
    ],
)
def test_upload_addresses(url: str, api_url: str, allowed: bool) -> None:
    assert _is_upload_address(url, api_url) is allowed


def test_upload_elsewhere_is_refused(api: GitHubApi, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(ApiError, match="another server"):
        api.upload("https://evil.example/assets{?name,label}", file, "x")


def test_empty_file(server: GitHubServer, api: GitHubApi, tmp_path: Path) -> None:
    file = tmp_path / "empty"
    file.touch()
    release = server.state.add_release("v1")
    assert api.upload(release["upload_url"], file, "empty")["size"] == 0


def test_proxy_is_used(server: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in as the proxy: it sees the whole address in the request line."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    proxied = GitHubApi("http://git.example.test", Token(TOKEN), clock=TestClock())
    server.state.add_pull(7)
    assert proxied.get(f"{PULLS}/7")["number"] == 7
    assert server.requests[0].headers["host"] == "git.example.test"


def test_custom_certificates(
    server: GitHubServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A server with a certificate of its own is trusted by REQUESTS_CA_BUNDLE, and only then."""
    bundle = server.use_tls(tmp_path)
    secure = GitHubApi(server.url, Token(TOKEN), clock=TestClock())
    server.state.add_pull(7)
    with pytest.raises(ApiError, match="SSLError"):
        secure.get(f"{PULLS}/7")
    assert server.requests == []
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    assert secure.get(f"{PULLS}/7")["number"] == 7


def test_delete_twice_is_fine(server: GitHubServer, api: GitHubApi) -> None:
    comment = server.state.add_comment(7, "x")
    path = f"/repos/octo/models/issues/comments/{comment['id']}"
    server.faults.append(Fault("DELETE", path, done_but(502)))
    api.delete(path)
    assert server.state.comments == {}
    assert server.count("DELETE") == 2


def test_graphql_errors(server: GitHubServer, api: GitHubApi) -> None:
    body = b'{"data": null, "errors": [{"type": "FORBIDDEN", "message": "no"}]}'
    answer = Answer(200, body, {"Content-Type": "application/json"})
    server.faults.append(Fault("POST", "/graphql", lambda request, right: answer))
    with pytest.raises(ApiError, match="GraphQL: no") as caught:
        api.graphql("query { viewer { login } }")
    assert caught.value.reason is Reason.PERMISSION
