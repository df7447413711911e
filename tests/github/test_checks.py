"""The check run, the report hidden in it, and the baselines that are found."""

from __future__ import annotations

import base64
import dataclasses
import json
import zlib
from typing import Any

import pytest
from fakes.github_server import Fault, GitHubServer, cut, done_but, half_json, status
from hypothesis import given
from hypothesis import strategies as st

from coral_action.github import digest
from coral_action.github.api import GitHubApi
from coral_action.github.baseline import find_baseline
from coral_action.github.checks import check_name, publish_check
from coral_action.github.context import PullRequest
from coral_action.github.faults import ApiError, Reason
from coral_action.github.rendering import Rendering
from coral_action.report.model import Report
from coral_action.report.notices import Notice

from .conversation import CONTEXT
from .reports import a_model, a_report

COMMIT = "b" * 40


def check(
    api: GitHubApi, report: Report | None = None, notices: int = 0, commit: str = COMMIT
) -> str:
    found = [Notice("error", f"message {n}" * 1000, "a.yml", n) for n in range(notices)]
    rendering = Rendering(report or a_report())
    return publish_check(api, CONTEXT, commit, "coral-quantize", "failure", rendering, found)


def one(server: GitHubServer) -> dict[str, Any]:
    (found,) = server.state.checks.values()
    return found


def test_check_run(server: GitHubServer, api: GitHubApi) -> None:
    assert check(api) == one(server)["html_url"]
    found = one(server)
    assert (found["head_sha"], found["conclusion"]) == (COMMIT, "failure")
    assert found["details_url"] == "https://github.com/octo/models/actions/runs/100"
    assert found["output"]["title"] == "1 model passed"
    assert "digits" in found["output"]["summary"]


def test_annotations_in_batches_of_fifty(server: GitHubServer, api: GitHubApi) -> None:
    check(api, notices=120)
    sizes = [len(r.json["output"]["annotations"]) for r in server.requests]
    assert sizes == [50, 50, 20]
    annotations = one(server)["annotations"]
    assert [a["message"][:11] for a in annotations[:2]] == ["message 0me", "message 1me"]
    assert {a["annotation_level"] for a in annotations} == {"failure"}
    assert max(len(a["message"]) for a in annotations) == 4096
    assert min(a["start_line"] for a in annotations) == 1
    assert one(server)["conclusion"] == "failure"


@pytest.mark.parametrize("fault", [status(500), done_but(502), cut, half_json, status(429)])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_faults(server: GitHubServer, api: GitHubApi, method: str, fault: Any) -> None:
    server.faults.append(Fault(method, "/check-runs", fault))
    check(api, notices=60)
    newest = list(server.state.checks.values())[-1]
    assert {a["message"] for a in newest["annotations"]} == {
        (f"message {n}" * 1000)[:4096] for n in range(60)
    }
    assert server.faults == []


def test_missing_permission(server: GitHubServer, api: GitHubApi) -> None:
    server.state.writable = frozenset()
    with pytest.raises(ApiError) as caught:
        check(api)
    assert caught.value.reason is Reason.PERMISSION
    assert "checks: write" in caught.value.hint


def test_names() -> None:
    assert check_name("default") == "coral-quantize"
    assert check_name("nightly") == "coral-quantize (nightly)"


def test_digest_has_what_a_comparison_needs() -> None:
    report = a_report(a_model(), a_model("b", status="failed", error={"kind": "m", "message": "x"}))
    found = digest.unpack(f"text\n{digest.pack(report)}\n")
    assert found is not None
    for before, after in zip(report.models, found.models, strict=True):
        assert (after.sizes, after.accuracy, after.status) == (
            before.sizes,
            before.accuracy,
            before.status,
        )
        assert before.placement
        assert after.placement
        assert [(o.name, o.target) for o in after.placement.operators] == [
            (o.name, o.target) for o in before.placement.operators
        ]


def test_digest_of_forty_large_models_fits() -> None:
    operators = [
        {"index": n, "name": f"CONV_2D_{n * 7919 % 1000}", "target": "cpu", "reason": "why " * 50}
        for n in range(300)
    ]
    placement = {"origin": "compiler", "edge_tpu": 0, "cpu": 300, "subgraphs": 1}
    models = [a_model(f"m{n}", placement={**placement, "operators": operators}) for n in range(40)]
    packed = digest.pack(a_report(*models))
    assert 0 < len(packed) <= 65_000
    found = digest.unpack(packed)
    assert found is not None
    assert len(found.models) == 40


def bomb() -> str:
    packed = base64.b64encode(zlib.compress(b'{"a": "' + b"x" * 50_000_000)).decode()
    return f"<!-- coral-quantize:report {packed} -->"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<!-- coral-quantize:report eA== -->",
        "<!-- coral-quantize:report = -->",
        f"<!-- coral-quantize:report {base64.b64encode(zlib.compress(b'{}')).decode()} -->",
        bomb(),
    ],
    ids=["none", "no zlib", "no base64", "no report", "bomb"],
)
def test_digests_that_are_none(text: str) -> None:
    assert digest.unpack(text) is None


@given(st.binary(max_size=200))
def test_any_bytes_as_a_digest(data: bytes) -> None:
    packed = base64.b64encode(zlib.compress(data)).decode()
    assert digest.unpack(f"<!-- coral-quantize:report {packed} -->") is None


# Baselines.


def find(server: GitHubServer, api: GitHubApi, key: str = "default") -> list[str] | None:
    pull = PullRequest.from_json(server.state.add_pull(7))
    found = find_baseline(api, CONTEXT, pull, check_name(key))
    return found and [model.name for model in found.models]


def test_baseline_of_the_base_branch(server: GitHubServer, api: GitHubApi) -> None:
    """Of the newest commit that has one; of the check run with the right name."""
    server.state.history += [f"{n}" * 40 for n in range(5)]
    check(api, a_report(a_model("old")), commit="4" * 40)
    check(api, a_report(a_model("new")), commit="2" * 40)
    check(api, a_report(a_model("elsewhere")), commit="f" * 40)
    assert find(server, api) == ["new"]
    assert find(server, api, "nightly") is None
    assert server.requests[-1].path.endswith("/releases/latest")


def test_baseline_of_the_latest_release(server: GitHubServer, api: GitHubApi) -> None:
    for number, name in enumerate(["first", "second"]):
        release = server.state.add_release(f"v{number}")
        content = json.dumps(a_report(a_model(name)).to_json()).encode()
        server.state.add_asset(release["id"], "coral-report.json", content)
    draft = server.state.add_release("v9", draft=True)
    server.state.add_asset(draft["id"], "coral-report.json", b"{}")
    assert find(server, api) == ["second"]


def test_baseline_that_can_not_be_read(server: GitHubServer, api: GitHubApi) -> None:
    release = server.state.add_release("v1")
    server.state.add_asset(release["id"], "coral-report.json", b'{"schema_version": 99}')
    assert find(server, api) is None


def test_no_baseline(server: GitHubServer, api: GitHubApi) -> None:
    server.state.history.append("0" * 40)
    assert find(server, api) is None
    server.faults.append(Fault("GET", "/commits$", status(409, "Git Repository is empty.")))
    assert find(server, api) is None
    assert find_baseline(api, dataclasses.replace(CONTEXT), None, "coral-quantize") is None
