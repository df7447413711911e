"""Every request of ours against GitHub's own description, by real HTTP."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from fakes.github_server import ROUTES, Fault, GitHubServer, Request
from fakes.github_state import TOKEN

from coral_action.github import comment, digest
from coral_action.github.api import GitHubApi
from coral_action.github.base_config import base_config
from coral_action.github.baseline import find_baseline
from coral_action.github.checks import publish_check
from coral_action.github.context import PullRequest, Search
from coral_action.github.pulls import find_pull_request, get_pull_request
from coral_action.github.release import ReleaseWriter
from coral_action.github.release_notes import UNPUBLISHED
from coral_action.github.rendering import Rendering
from coral_action.github.token import Token
from coral_action.report.notices import Notice

from . import description
from .conversation import CONTEXT, say
from .reports import a_report

HEAD = "a" * 40
CONFIG = """version: 1
models: [{name: digits, source: model.keras, calibration: {npy: x.npy}}]
"""


@pytest.fixture(scope="module")
def trimmed() -> dict[str, Any]:
    return description.trimmed(list(ROUTES))


@pytest.fixture(scope="module")
def prism(trimmed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = tmp_path_factory.mktemp("prism") / "github.json"
    path.write_text(json.dumps(trimmed))
    with description.served(path) as url:
        yield url


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[Request]:
    """All that the program ever asks GitHub, recorded by the server with a memory."""
    from .conftest import TestClock

    with GitHubServer().running() as server:
        api = GitHubApi(server.url, Token(TOKEN), clock=TestClock())
        everything(server, api, tmp_path_factory.mktemp("files"))
        assert server.unknown == []
        return server.requests


def everything(server: GitHubServer, api: GitHubApi, folder: Path) -> None:
    """Each kind of request at least once."""
    state = server.state
    state.add_pull(7, HEAD)
    state.history += ["b" * 40]
    for search in (
        Search(number=7),
        Search(branch="octo:topic", head_commit=HEAD),
        Search(commit=HEAD),
    ):
        pull = find_pull_request(api, dataclasses.replace(CONTEXT, search=search))
        assert pull is not None
        assert pull.number == 7
    # Comments: created, changed, a duplicate deleted, recreated and minimized.
    say(api, "one")
    say(api, "two")
    (first,) = state.comments.values()
    state.add_comment(7, first["body"], state.author)
    say(api, "three")
    say(api, "four", "recreate", run=101)
    # The check run, in three batches; then as the baseline of the next pull request.
    report = a_report()
    notices = [Notice("warning", f"notice {n}", "coral.yml", n + 1) for n in range(120)]
    context = dataclasses.replace(CONTEXT, search=None)
    rendering = Rendering(report)
    publish_check(api, context, "b" * 40, "coral-quantize", "failure", rendering, notices)
    (check,) = state.checks.values()
    assert len(check["annotations"]) == 120
    found = find_baseline(api, context, PullRequest.from_json(state.pulls[7]), "coral-quantize")
    assert found == digest.unpack(digest.pack(report))
    # The base branch's coral.yml: one that is there, one that is not.
    pull = PullRequest.from_json(state.pulls[7])
    state.files["main", "coral.yml"] = CONFIG.encode()
    assert base_config(api, context, pull, "coral.yml") is not None
    assert base_config(api, context, pull, "sub/coral.yml") is None
    # A release: made while another job makes one, filled, replaced; then as a baseline.
    path = folder / "coral-report.json"
    path.write_text(json.dumps(report.to_json()))

    def other_first(request: Any, right: Any) -> Any:
        state.add_release("v1", draft=True, body=UNPUBLISHED)
        return right()

    server.faults.append(Fault("POST", r"/releases$", other_first))
    ReleaseWriter(api, "octo/models", "v1", commit=HEAD).publish([path], report)
    path.write_text(json.dumps(report.to_json(), indent=1))
    ReleaseWriter(api, "octo/models", "v1").publish([path], report)
    assert find_baseline(api, context, None, "coral-quantize") == report


def template_of(request: Request) -> tuple[str, str]:
    for method, template in ROUTES:
        pattern = re.sub(r"\{\w+(_id|number)\}", r"\\d+", template)
        pattern = re.sub(r"\{\w+\}", "[^/]+", pattern.replace("{path}", ".+"))
        if method == request.method and re.fullmatch(f"/repos/[^/]+/[^/]+{pattern}", request.path):
            return method, template
    raise AssertionError(request)


def test_everything_is_asked(asked: list[Request]) -> None:
    """So that the test below leaves nothing out."""
    assert {template_of(r) for r in asked if r.path != "/graphql"} == set(ROUTES)


def test_github_allows_what_we_ask(asked: list[Request], prism: str) -> None:
    refused = []
    for request in asked:
        # Prism takes a path parameter for one without a slash; GitHub's own paths have them.
        if request.path == "/graphql" or request.path.endswith("/sub/coral.yml"):
            continue
        answer = send(prism, request)
        if answer.status_code >= 400:
            refused.append((request.method, request.path, answer.status_code, answer.text[:400]))
    assert refused == []


def test_every_parameter_is_described(asked: list[Request], trimmed: dict[str, Any]) -> None:
    """Prism lets unknown ones pass."""
    for request in asked:
        if request.path == "/graphql":
            continue
        method, template = template_of(request)
        operation = trimmed["paths"][description.PREFIX + template][method.lower()]
        known = set()
        for parameter in operation["parameters"]:
            if "$ref" in parameter:
                parameter = trimmed["components"]["parameters"][parameter["$ref"].split("/")[-1]]
            known.add(parameter["name"])
        assert set(request.query) <= known, request


def test_prism_refuses_what_is_wrong(asked: list[Request], prism: str) -> None:
    """The control: wrong types, missing and unknown fields, an upload without a name."""
    comment_ = next(r for r in asked if r.method == "POST" and r.path.endswith("/comments"))
    check = next(r for r in asked if r.method == "POST" and r.path.endswith("/check-runs"))
    upload = next(r for r in asked if r.method == "POST" and r.path.endswith("/assets"))
    wrong = [
        dataclasses.replace(comment_, body=b'{"body": 3}'),
        dataclasses.replace(comment_, body=b"{}"),
        dataclasses.replace(comment_, body=b'{"body": "a", "text": "b"}'),
        dataclasses.replace(check, body=json.dumps(check.json | {"conclusion": "bad"}).encode()),
        dataclasses.replace(upload, query={}),
        dataclasses.replace(comment_, path=comment_.path.replace("issues", "issue")),
    ]
    assert [send(prism, request).status_code for request in wrong] == [422, 422, 422, 422, 422, 404]


def test_github_knows_our_queries(asked: list[Request]) -> None:
    documents = sorted({r.json["query"] for r in asked if r.path == "/graphql"})
    assert len(documents) == 2
    assert description.graphql_errors(documents) == []
    assert description.graphql_errors(["query { viewer { name_of_dog } }"]) != []


def test_answers_of_github_are_understood(prism: str) -> None:
    """The examples in the description, read by the code that reads the real ones."""
    api = GitHubApi(prism, Token(TOKEN))
    pull = get_pull_request(api, "octocat/Hello-World", 1347)
    assert pull is not None
    assert re.fullmatch("[0-9a-f]{40}", pull.head_commit)
    comments = api.get("/repos/octocat/Hello-World/issues/1/comments")
    assert [comment._Comment.from_json(c).body for c in comments] == ["Me too"]
    release = api.get("/repos/octocat/Hello-World/releases/latest")
    assert release["upload_url"].endswith("{?name,label}")
    (asset,) = api.get("/repos/octocat/Hello-World/releases/1/assets")
    assert asset["state"] == "uploaded"
    assert asset["digest"].startswith("sha256:")
    assert {"draft", "tag_name", "html_url", "immutable"} <= set(release)


def send(prism: str, request: Request) -> requests.Response:
    keep = ("authorization", "accept", "content-type", "x-github-api-version", "user-agent")
    headers = {name: request.headers[name] for name in keep if name in request.headers}
    return requests.request(
        request.method,
        prism + request.path,
        params=request.query,
        headers=headers,
        data=request.body,
        timeout=20,
        allow_redirects=False,
    )
