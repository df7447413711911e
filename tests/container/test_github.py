"""The image as the step of a workflow, against a server with GitHub's ways: comment and release."""

from __future__ import annotations

from pathlib import Path

import runner
from fakes.github_server import GitHubServer
from fakes.github_state import REPOSITORY, TOKEN

INPUTS = {
    "config": "coral.yml",
    "compiler": "none",
    "token": TOKEN,
    "checks": "true",
    "release-tag": "v1",
}
FORMS = ("digits_saved_model", "digits_keras", "digits_frozen_graph")


def test_comment_check_and_release(image: str, workspace: Path) -> None:
    with GitHubServer().running() as server:
        event = {"number": 7, "pull_request": server.state.add_pull(7)}
        finished = runner.run_as_runner(
            image,
            workspace,
            INPUTS,
            environment={"GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": REPOSITORY},
            network="host",  # the server listens on this machine's loopback address
            event=event,
        )
        assert finished.code == 0, finished.stderr
        assert server.unknown == []
    state = server.state
    (comment,) = state.comments.values()
    assert finished.outputs["comment-url"] == comment["html_url"]
    assert "3 models passed" in comment["body"]
    (check,) = state.checks.values()
    assert check["conclusion"] == "success"
    (release,) = state.releases.values()
    assert finished.outputs["release-url"] == release["html_url"]
    assert not release["draft"]
    assets = state.names(release["id"])
    assert {"coral-report.json", "SHA256SUMS"} <= set(assets)
    for name in FORMS:
        made = workspace / "coral-output" / f"{name}_int8.tflite"
        assert assets[made.name] == made.read_bytes()
    assert runner.owners(workspace) == {runner.OWNER}
    kept = [p for p in workspace.parent.rglob("*") if p.is_file()]
    assert [p for p in kept if TOKEN.encode() in p.read_bytes()] == []
    assert TOKEN not in finished.stdout + finished.stderr
