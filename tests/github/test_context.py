"""Which pull request and commit a job is about, by GitHub's own examples of every event."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.github_server import GitHubServer

from coral_action.errors import UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.context import Context, Search
from coral_action.github.pulls import find_pull_request

from .description import examples

NAME = "Codertocat/Hello-World"
SHA = "c" * 40


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """The context of a job that was started by an event."""

    def make(event: str, payload: dict[str, Any] | None, **variables: str) -> Context:
        path = tmp_path / "event.json"
        path.write_text(json.dumps(payload or {}))
        environment = {
            "GITHUB_REPOSITORY": NAME,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(path),
            "GITHUB_SHA": SHA,
            "GITHUB_RUN_ID": "12",
            "GITHUB_RUN_ATTEMPT": "3",
            **variables,
        }
        found = Context.from_environment(environment)
        assert found is not None
        return found

    return make


PULL_REQUEST_EVENTS = [
    "pull_request",
    "pull_request_target",  # has the same payload and no examples of its own
    "pull_request_review",
    "pull_request_review_comment",
]


@pytest.mark.parametrize("event", PULL_REQUEST_EVENTS)
def test_pull_request(context: Callable[..., Context], event: str) -> None:
    payloads = examples(event.replace("_target", ""))
    assert len(payloads) >= 4
    for payload in payloads:
        found = context(event, payload)
        assert found.pull_request is not None
        assert found.pull_request.number == payload["pull_request"]["number"]
        # Checks belong to the head, and not to the test merge that $GITHUB_SHA is.
        assert found.commit == payload["pull_request"]["head"]["sha"] != SHA
        assert not found.pull_request.from_fork
        assert not found.token_is_read_only
        assert found.search is None
        assert found.default_branch == payload["repository"]["default_branch"]


def test_locked_and_closed(context: Callable[..., Context]) -> None:
    by_action = {e["action"]: e for e in examples("pull_request")}
    for action in ("locked", "closed", "opened"):
        pull = context("pull_request", by_action[action]).pull_request
        assert pull is not None
        assert (pull.locked, pull.is_open) == (action == "locked", action != "closed")


@pytest.mark.parametrize(
    ("event", "read_only"), [("pull_request", True), ("pull_request_target", False)]
)
def test_fork(context: Callable[..., Context], event: str, read_only: bool) -> None:
    payload = copy.deepcopy(examples("pull_request")[0])
    for repository in ({"full_name": "somebody/Hello-World"}, None):  # the fork may be deleted
        payload["pull_request"]["head"]["repo"] = repository
        found = context(event, payload)
        assert found.pull_request is not None
        assert found.pull_request.from_fork
        assert found.token_is_read_only is read_only


def test_dependabot(context: Callable[..., Context]) -> None:
    found = context("pull_request", examples("pull_request")[0], GITHUB_ACTOR="dependabot[bot]")
    assert found.token_is_read_only


def test_push(context: Callable[..., Context]) -> None:
    for payload in examples("push"):
        found = context("push", payload)
        to_branch = payload["ref"].startswith("refs/heads/") and not payload["deleted"]
        assert found.search == (Search(commit=SHA) if to_branch else None)
        assert (found.commit, found.pull_request) == (SHA, None)


def test_issue_comment(context: Callable[..., Context]) -> None:
    for payload in examples("issue_comment"):
        assert context("issue_comment", payload).search is None  # these are about issues
        payload["issue"]["pull_request"] = {"url": "https://api.github.com/..."}
        assert context("issue_comment", payload).search == Search(number=1)


def test_workflow_run(context: Callable[..., Context]) -> None:
    for payload in examples("workflow_run"):
        run = payload["workflow_run"]
        found = context("workflow_run", payload)
        assert found.search is None  # these were started by events without a pull request
        assert found.commit == run["head_sha"]
        run["event"], run["head_branch"], run["pull_requests"] = "pull_request", "topic", []
        run["head_repository"]["owner"]["login"] = "somebody"
        search = Search(branch="somebody:topic", head_commit=run["head_sha"])
        assert context("workflow_run", payload).search == search
        run["head_repository"] = None  # a deleted fork
        assert context("workflow_run", payload).search is None


def test_workflow_dispatch(context: Callable[..., Context]) -> None:
    branches = {context("workflow_dispatch", e).search for e in examples("workflow_dispatch")}
    assert branches == {Search(branch="Codertocat:main"), Search(branch="Codertocat:master")}


def test_merge_group(context: Callable[..., Context]) -> None:
    for payload in examples("merge_group"):
        assert context("merge_group", payload).search == Search(number=104)
        payload["merge_group"]["head_ref"] = "refs/heads/gh-readonly-queue/main/other"
        assert context("merge_group", payload).search is None


@pytest.mark.parametrize("event", ["release", "schedule"])
def test_without_a_pull_request(context: Callable[..., Context], event: str) -> None:
    payloads = examples(event) if event == "release" else [{"schedule": "0 0 * * *"}]
    for payload in payloads:
        found = context(event, payload)
        assert (found.pull_request, found.search, found.commit) == (None, None, SHA)


@pytest.mark.parametrize("event", ["create", "status", "check_run", "repository_dispatch", "fork"])
def test_other_events_do_no_harm(context: Callable[..., Context], event: str) -> None:
    for payload in examples(event):
        assert context(event, payload).search is None


def test_enterprise_server(context: Callable[..., Context]) -> None:
    found = context(
        "push",
        None,
        GITHUB_API_URL="https://git.example.com/api/v3",
        GITHUB_SERVER_URL="https://git.example.com",
    )
    assert found.graphql_url == "https://git.example.com/api/graphql"
    assert found.run_url == f"https://git.example.com/{NAME}/actions/runs/12"
    cloud = context("push", None)
    assert cloud.api_url == "https://api.github.com"
    assert cloud.graphql_url == "https://api.github.com/graphql"
    assert (cloud.run, cloud.attempt) == (12, 3)


def test_outside_of_a_runner() -> None:
    assert Context.from_environment({}) is None
    found = Context.from_environment({"GITHUB_REPOSITORY": NAME})
    assert found is not None
    assert (found.pull_request, found.search, found.run_url) == (None, None, "")
    with pytest.raises(UsageError, match="owner/name"):
        Context.from_environment({"GITHUB_REPOSITORY": "../x/y"})


@pytest.mark.parametrize("text", ["", "[]", "{", '{"pull_request": {}}', "\xff"])
def test_broken_event_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text, encoding="latin-1")
    environment = {
        "GITHUB_REPOSITORY": NAME,
        "GITHUB_EVENT_PATH": str(path),
        "GITHUB_EVENT_NAME": "pull_request",
    }
    with pytest.raises(UsageError, match="event file"):
        Context.from_environment(environment)


# The search itself, against the server with a memory.


def find(api: GitHubApi, **search: Any) -> int | None:
    pull = find_pull_request(api, Context("octo/models", search=Search(**search)))
    return pull and pull.number


def test_find_by_commit(server: GitHubServer, api: GitHubApi) -> None:
    """The open one whose head or merge commit it is."""
    server.state.add_pull(1, "a" * 40, state="closed")
    server.state.add_pull(2, "a" * 40)
    server.state.add_pull(3, "a" * 40)
    server.state.add_pull(4, "b" * 40, merge_commit_sha="c" * 40)
    assert find(api, commit="a" * 40) == 2
    assert find(api, commit="c" * 40) == 4
    assert find(api, commit="d" * 40) is None


def test_find_by_branch(server: GitHubServer, api: GitHubApi) -> None:
    """The server here ignores `head`, as GitHub does when it can't read it."""
    fork = {"sha": "f" * 40, "ref": "topic", "label": "somebody:topic", "repo": None}
    server.state.add_pull(1, "a" * 40)
    server.state.add_pull(2, head=fork)  # type: ignore[arg-type]
    server.state.pulls[2]["head"] = fork
    server.state.add_pull(3, "f" * 40)
    assert find(api, branch="somebody:topic", head_commit="f" * 40) == 2
    assert find(api, branch="somebody:topic", head_commit="a" * 40) is None  # it has moved on
    assert find(api, branch="octo:topic") == 1
    assert find(api, branch="nobody:topic") is None


def test_find_by_branch_ignores_other_repositories(server: GitHubServer, api: GitHubApi) -> None:
    pull = server.state.add_pull(1)
    pull["base"]["repo"] = {"full_name": "other/models"}
    assert find(api, branch="octo:topic") is None


def test_find_by_number(server: GitHubServer, api: GitHubApi) -> None:
    server.state.add_pull(5)
    assert find(api, number=5) == 5
    assert find(api, number=6) is None
