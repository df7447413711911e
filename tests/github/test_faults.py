"""The table of faults: whatever happens on the way, one comment is left and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.github_server import (
    Fault,
    GitHubServer,
    cut,
    done_but,
    done_but_cut,
    half_json,
    page_of_html,
    silence,
    status,
    truncated,
)
from fakes.github_state import TOKEN

from coral_action.errors import EXIT_GITHUB
from coral_action.github.api import GitHubApi
from coral_action.github.faults import ApiError, Reason
from coral_action.github.token import Token

from .conversation import ours, say

READ = ("GET", r"/issues/7/comments$")
CREATE = ("POST", r"/issues/7/comments$")
CHANGE = ("PATCH", r"/issues/comments/\d+$")
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes."

NOT_DONE: dict[str, Callable[..., Any]] = {
    "500": status(500),
    "502": status(502),
    "503": status(503),
    "504": status(504),
    "429 with Retry-After": status(429, "slow down", Retry_After="7"),
    "429 without Retry-After": status(429, "slow down"),
    "secondary limit as 403": status(403, SECONDARY),
    "secondary limit as 403 with Retry-After": status(403, "wait", Retry_After="9"),
    "primary limit": status(
        403, "API rate limit exceeded", X_RateLimit_Remaining="0", X_RateLimit_Reset="1800000030"
    ),
    "connection cut": cut,
    "HTML instead of JSON": page_of_html,
}
DONE: dict[str, Callable[..., Any]] = {
    "500 but done": done_but(500),
    "502 but done": done_but(502),
    "connection cut but done": done_but_cut,
    "answer cut": truncated,
    "truncated JSON": half_json,
}
PASSING = NOT_DONE | DONE | {"timeout": silence(0.8)}


@pytest.fixture(autouse=True)
def pull(server: GitHubServer) -> None:
    server.state.add_pull(7)


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@pytest.mark.parametrize("request_", [READ, CREATE, CHANGE], ids=["read", "create", "change"])
def test_fault_that_passes(
    server: GitHubServer, api: GitHubApi, request_: tuple[str, str], fault: Callable[..., Any]
) -> None:
    if request_ is CHANGE:
        say(api, "before")
    server.faults.append(Fault(*request_, fault))
    outcome = say(api, "after", run=101, commit="c" * 40)
    assert outcome.action == ("updated" if request_ is CHANGE else "created")
    (body,) = ours(server)
    assert "after" in body
    assert len(server.state.comments) == 1
    assert server.faults == []


@pytest.mark.parametrize("fault", NOT_DONE.values(), ids=NOT_DONE.keys())
def test_fault_that_stays(server: GitHubServer, api: GitHubApi, fault: Callable[..., Any]) -> None:
    """Tried a few times, then said."""
    server.faults.append(Fault(*CREATE, fault, times=-1))
    with pytest.raises(ApiError) as caught:
        say(api)
    assert caught.value.exit_code == EXIT_GITHUB
    assert "/issues/7/comments" in caught.value.message
    assert caught.value.hint
    assert server.count("POST", "/comments") <= 5
    assert server.state.comments == {}


@pytest.mark.parametrize("fault", DONE.values(), ids=DONE.keys())
def test_fault_that_stays_though_all_is_done(
    server: GitHubServer, api: GitHubApi, fault: Callable[..., Any]
) -> None:
    server.faults.append(Fault(*CREATE, fault, times=-1))
    assert say(api).action == "created"
    assert server.count("POST", "/comments") == 1
    assert len(ours(server)) == 1


@pytest.mark.parametrize(
    ("fault", "waits"),
    [
        ("429 with Retry-After", 7.5),
        ("429 without Retry-After", 75.0),
        ("secondary limit as 403", 75.0),
        ("primary limit", 30.5),
        ("500", 1.25),
    ],
)
def test_waits_as_long_as_it_is_told(
    server: GitHubServer, api: GitHubApi, clock: Any, fault: str, waits: float
) -> None:
    server.faults.append(Fault(*READ, PASSING[fault]))
    list(api.pages("/repos/octo/models/issues/7/comments"))
    assert clock.slept == [waits]


def test_retry_after_as_a_date(server: GitHubServer, api: GitHubApi, clock: Any) -> None:
    date = "Fri, 15 Jan 2027 08:00:20 GMT"  # 20 seconds after the test's clock
    server.faults.append(Fault(*READ, status(429, "slow down", Retry_After=date)))
    list(api.pages("/repos/octo/models/issues/7/comments"))
    assert clock.slept == [20.5]


def test_wait_doubles(server: GitHubServer, api: GitHubApi, clock: Any) -> None:
    server.faults.append(Fault(*READ, status(503), times=4))
    list(api.pages("/repos/octo/models/issues/7/comments"))
    assert clock.slept == [1.25, 2.5, 5.0, 10.0]


def test_too_long_a_wait_is_said_instead(server: GitHubServer, api: GitHubApi, clock: Any) -> None:
    server.faults.append(Fault(*READ, status(429, "slow down", Retry_After="3600"), times=-1))
    with pytest.raises(ApiError, match="429: slow down") as caught:
        say(api)
    assert caught.value.reason is Reason.RATE_LIMIT
    assert clock.slept == []


def test_writes_are_a_second_apart(server: GitHubServer, api: GitHubApi, clock: Any) -> None:
    for name in ("one", "two"):
        api.post("/repos/octo/models/issues/7/comments", {"body": name})
    assert clock.slept == [1.0]


def test_missing_permission(server: GitHubServer, api: GitHubApi) -> None:
    server.state.writable = frozenset()
    with pytest.raises(ApiError) as caught:
        say(api)
    assert caught.value.reason is Reason.PERMISSION
    assert "pull-requests: write" in caught.value.hint
    assert server.count("POST", "/comments") == 1  # asking again would not help


def test_wrong_token(server: GitHubServer, api: GitHubApi) -> None:
    server.state.token = "another"
    with pytest.raises(ApiError, match="Bad credentials") as caught:
        say(api)
    assert caught.value.reason is Reason.AUTHENTICATION
    assert len(server.requests) == 1


def test_nobody_listens(server: GitHubServer, clock: Any) -> None:
    api = GitHubApi("http://127.0.0.1:9", Token(TOKEN), clock=clock)
    with pytest.raises(ApiError, match="no connection") as caught:
        api.post("/repos/octo/models/issues/7/comments", {"body": ""})
    assert not caught.value.uncertain
    assert len(clock.slept) >= 4  # repeated, though it is a POST: it never arrived


def test_deleted_between_reading_and_writing(server: GitHubServer, api: GitHubApi) -> None:
    say(api, "before")

    def delete_first(request: Any, right: Callable[[], Any]) -> Any:
        server.state.comments.clear()
        return right()

    server.faults.append(Fault(*CHANGE, delete_first))
    assert say(api, "after", run=101).action == "created"
    assert len(ours(server)) == 1


def test_deleted_between_writing_and_looking(server: GitHubServer, api: GitHubApi) -> None:
    def delete_first(request: Any, right: Callable[[], Any]) -> Any:
        server.state.comments.clear()
        return right()

    server.faults.append(Fault("GET", CHANGE[1], delete_first))
    assert say(api, "after", run=101).action == "created"
    assert len(ours(server)) == 1


def test_list_that_lags_behind(server: GitHubServer, api: GitHubApi) -> None:
    """A list that does not show the new comment yet does not lead to a second one."""

    def empty(request: Any, right: Callable[[], Any]) -> Any:
        answer = right()
        answer.body = b"[]"
        return answer

    server.faults.append(Fault(*READ, empty, times=3))
    assert say(api).action == "created"
    assert server.count("POST", "/comments") == 1
    assert len(ours(server)) == 1


def test_thirty_five_others_and_a_cut(server: GitHubServer, api: GitHubApi) -> None:
    for number in range(35):
        server.state.add_comment(7, f"comment {number}")
    server.faults.append(Fault(*CREATE, done_but_cut))
    assert say(api).action == "created"
    assert say(api, "next", run=101).action == "updated"
    assert len(server.state.comments) == 36
