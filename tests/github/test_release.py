"""The release of a tag: found or made, filled, replaced without loss, published at the end."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
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
    starter,
    status,
    truncated,
)
from fakes.github_state import TOKEN, State

from coral_action.errors import GitHubError, UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.assets import asset_name
from coral_action.github.faults import ApiError, Reason
from coral_action.github.release import ReleaseOutcome, ReleaseWriter
from coral_action.github.release_notes import UNPUBLISHED, with_table
from coral_action.github.token import Token

OLD, NEW = b"the old model", b"the new model, which is longer" * 5000


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "digits_int8.tflite"
    path.write_bytes(NEW)
    return path


def release(api: GitHubApi, *files: Path, tag: str = "v1.0", **options: str) -> ReleaseOutcome:
    return ReleaseWriter(api, "octo/models", tag, **options).publish(files)


def one(server: GitHubServer) -> dict[str, Any]:
    (found,) = server.state.releases.values()
    return found


def sums(files: dict[str, bytes]) -> bytes:
    lines = [f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()]
    return "".join(sorted(lines, key=lambda line: line.split()[1])).encode()


def test_made_and_published_at_the_end(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    drafts: list[bool] = []
    server.watch = lambda state: drafts.extend(r["draft"] for r in state.releases.values())
    outcome = release(api, model, commit="c" * 40)
    made = one(server)
    assert server.state.names(made["id"]) == {
        "digits_int8.tflite": NEW,
        "SHA256SUMS": sums({"digits_int8.tflite": NEW}),
    }
    assert outcome.url == made["html_url"]
    assert outcome.uploaded == ("digits_int8.tflite", "SHA256SUMS")
    assert not outcome.is_draft
    assert made["target_commitish"] == "c" * 40
    assert UNPUBLISHED not in made["body"]
    # A draft until the last write, which publishes it.
    assert drafts.index(False) == len(drafts) - 1
    assert server.requests[-1].method == "PATCH"
    link = "https://github.com/octo/models/releases/download/v1.0/digits_int8.tflite"
    assert f"[digits_int8.tflite]({link}) (146.5 KiB)" in made["body"]


def test_again_changes_nothing(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    release(api, model)
    before = len([r for r in server.requests if r.method != "GET"])
    outcome = release(api, model)
    assert outcome.uploaded == ()
    assert outcome.unchanged == ("digits_int8.tflite", "SHA256SUMS")
    assert len([r for r in server.requests if r.method != "GET"]) == before


def test_found_among_many_drafts_included(
    server: GitHubServer, api: GitHubApi, model: Path
) -> None:
    draft = server.state.add_release("v1.0", draft=True, body="Written by hand.\r\n\r\nTwice.")
    for number in range(150):
        server.state.add_release(f"v0.{number}", draft=number % 2 == 0)
    outcome = release(api, model)
    assert outcome.is_draft  # who made it publishes it
    assert len(server.state.releases) == 151
    assert set(server.state.names(draft["id"])) == {"digits_int8.tflite", "SHA256SUMS"}
    assert draft["body"].startswith("Written by hand.\n\nTwice.\n\n<!-- coral-quantize:files -->")


def test_draft_that_a_killed_run_left_is_published(
    server: GitHubServer, api: GitHubApi, model: Path
) -> None:
    server.state.add_release("v1.0", draft=True, body=UNPUBLISHED)
    assert not release(api, model).is_draft
    assert not one(server)["draft"]


def test_rest_of_the_notes_stays(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    server.state.add_release("v1.0", body="# Changes\n\n* one\n")
    release(api, model)
    found = one(server)
    found["body"] += "\nAdded later by hand.\n"
    model.write_bytes(OLD)
    release(api, model)
    assert found["body"].startswith("# Changes\n\n* one\n\n<!-- coral-quantize:files -->")
    assert found["body"].endswith("<!-- /coral-quantize:files -->\n\nAdded later by hand.\n")
    assert found["body"].count("digits_int8.tflite](") == 1
    assert "13 B" in found["body"]


def test_notes_can_not_swallow_the_rest() -> None:
    assert with_table("a\n<!-- coral-quantize:files -->\nunclosed", "t").startswith("a\n\n<!--")
    assert len(with_table("n" * 110_000, "t" * 50_000)) < 120_000
    assert with_table("", "t" * 130_000).count("too long") == 1


def test_sums_cover_what_other_jobs_put_there(
    server: GitHubServer, api: GitHubApi, model: Path
) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], "other_int8.tflite", b"other")
    release(api, model)
    both = {"digits_int8.tflite": NEW, "other_int8.tflite": b"other"}
    assert server.state.names(found["id"])["SHA256SUMS"] == sums(both)


@pytest.mark.parametrize("digests", [True, False], ids=["digests", "older server"])
def test_replaced_under_a_temporary_name(
    server: GitHubServer, api: GitHubApi, model: Path, digests: bool
) -> None:
    server.state.digests = digests
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, OLD)
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW
    steps = [(r.method, r.query.get("name", "")) for r in server.requests if "assets" in r.path]
    writes = [(method, name) for method, name in steps if method != "GET"]
    assert [method for method, _ in writes[:3]] == ["POST", "DELETE", "PATCH"]
    assert writes[0][1].startswith("digits_int8.tflite.coral-upload-")


FAULTS: dict[str, Callable[..., Any]] = {
    "500": status(500),
    "500 but done": done_but(500),
    "502 but done": done_but(502),
    "503": status(503),
    "429 with Retry-After": status(429, "slow down", Retry_After="7"),
    "429 without Retry-After": status(429, "slow down"),
    "secondary limit as 403": status(403, "You have exceeded a secondary rate limit."),
    "connection cut": cut,
    "connection cut but done": done_but_cut,
    "answer cut": truncated,
    "truncated JSON": half_json,
    "HTML instead of JSON": page_of_html,
}
STEPS = {
    "list": ("GET", r"/releases/\d+/assets$"),
    "upload": ("POST", r"/releases/\d+/assets$"),
    "delete": ("DELETE", r"/releases/assets/\d+$"),
    "rename": ("PATCH", r"/releases/assets/\d+$"),
    "notes": ("PATCH", r"/releases/\d+$"),
}


def never_lost(server: GitHubServer, name: str) -> list[str]:
    """Watch every step: the old file or the new one is there, whole, under its own or our name."""
    losses: list[str] = []

    def watch(state: State) -> None:
        whole = [state.contents[a["id"]] for a in state.assets.values() if a["state"] == "uploaded"]
        if OLD not in whole and NEW not in whole:
            losses.append("lost")

    server.watch = watch
    return losses


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_fault_while_replacing(
    server: GitHubServer,
    api: GitHubApi,
    model: Path,
    step: tuple[str, str],
    fault: Callable[..., Any],
) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, OLD)
    losses = never_lost(server, model.name)
    server.faults.append(Fault(*step, fault))
    release(api, model)
    assert losses == []
    assert server.faults == []
    files = server.state.names(found["id"])
    assert files == {model.name: NEW, "SHA256SUMS": sums({model.name: NEW})}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_fault_that_stays_keeps_the_old_file(
    server: GitHubServer, api: GitHubApi, model: Path, step: tuple[str, str]
) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, OLD)
    losses = never_lost(server, model.name)
    fault = Fault(*step, status(500), times=-1)
    server.faults.append(fault)
    with pytest.raises(ApiError):
        release(api, model)
    assert losses == []
    server.faults.clear()
    release(api, model)  # the next run finds what this one left, and finishes
    assert server.state.names(found["id"])[model.name] == NEW
    assert losses == []
    assert len(server.state.assets) == 2


@pytest.mark.parametrize("replacing", [True, False], ids=["replacing", "first"])
def test_starter_asset_is_cleared(
    server: GitHubServer, api: GitHubApi, model: Path, replacing: bool
) -> None:
    found = server.state.add_release("v1.0")
    if replacing:
        server.state.add_asset(found["id"], model.name, OLD)
    server.faults.append(Fault("POST", STEPS["upload"][1], starter(server)))
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW
    assert len(server.state.assets) == 2


def test_starter_asset_of_an_earlier_run(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, b"", "starter")
    release(api, model)
    assert server.count("POST") == 2  # cleared before the upload, not after it was refused
    assert server.state.names(found["id"])[model.name] == NEW
    assert len(server.state.assets) == 2


def test_cut_in_the_middle_of_an_upload(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, OLD)
    model.write_bytes(NEW * 100)  # 15 MB: more than any buffer on the way takes
    server.faults.append(Fault("POST", STEPS["upload"][1], cut, on_upload=True))
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW * 100


def test_timeout_of_an_upload(
    server: GitHubServer, api: GitHubApi, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_action.github.api._UPLOAD_TIMEOUT", (2.0, 0.3))
    found = server.state.add_release("v1.0")
    server.faults.append(Fault("POST", STEPS["upload"][1], silence(0.6)))
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW


def test_what_arrives_is_not_what_was_sent(
    server: GitHubServer, api: GitHubApi, model: Path
) -> None:
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], model.name, OLD)

    def damaged(request: Any, right: Callable[[], Any]) -> Any:
        request.body = request.body[:-1] + b"X"
        return right()

    fault = Fault("POST", STEPS["upload"][1], damaged, times=-1)
    server.faults.append(fault)
    with pytest.raises(ApiError, match="not what was sent"):
        release(api, model)
    assert server.state.names(found["id"]) == {model.name: OLD}


def test_killed_between_deleting_and_renaming(
    server: GitHubServer, api: GitHubApi, model: Path
) -> None:
    """The file under the temporary name is used, not sent again."""
    found = server.state.add_release("v1.0")
    server.state.add_asset(found["id"], f"{model.name}.coral-upload-12345678", NEW)
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW
    assert [r.query["name"] for r in server.requests if r.method == "POST"] == ["SHA256SUMS"]


def test_another_job_was_faster(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    """The name is taken between looking and uploading, and between deleting and renaming."""
    found = server.state.add_release("v1.0")

    def other_first(request: Any, right: Callable[[], Any]) -> Any:
        server.state.add_asset(found["id"], model.name, OLD)
        return right()

    server.faults.append(Fault("POST", STEPS["upload"][1], other_first))
    server.faults.append(Fault("PATCH", STEPS["rename"][1], other_first))
    release(api, model)
    assert server.state.names(found["id"])[model.name] == NEW
    assert len(server.state.assets) == 2


def test_two_jobs_at_once(server: GitHubServer, tmp_path: Path) -> None:
    """One release, with the files of both, and sums of all."""
    failures: list[BaseException] = []
    start = threading.Barrier(2)

    def job(name: str) -> None:
        try:
            from .test_comment_race import FastClock

            path = tmp_path / name
            path.write_bytes(name.encode())
            api = GitHubApi(server.url, Token(TOKEN), clock=FastClock(len(name)))
            start.wait(5)
            release(api, path)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=job, args=(n,)) for n in ("a.tflite", "bb.tflite")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert failures == []
    files = server.state.names(one(server)["id"])
    sums_text = files.pop("SHA256SUMS")
    assert files == {"a.tflite": b"a.tflite", "bb.tflite": b"bb.tflite"}
    assert sums_text == sums(files)
    assert not one(server)["draft"]


def test_two_drafts_of_two_jobs(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    def other_first(request: Any, right: Callable[[], Any]) -> Any:
        server.state.add_release("v1.0", draft=True, body=UNPUBLISHED)
        return right()

    server.faults.append(Fault("POST", r"/releases$", other_first))
    release(api, model)
    assert set(server.state.names(one(server)["id"])) == {model.name, "SHA256SUMS"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_fault_while_making_the_release(
    server: GitHubServer, api: GitHubApi, model: Path, fault: Callable[..., Any]
) -> None:
    server.faults.append(Fault("POST", r"/releases$", fault))
    release(api, model)
    assert not one(server)["draft"]
    assert len(server.state.assets) == 2


def test_immutable_release(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    found = server.state.add_release("v1.0", immutable=True)
    with pytest.raises(GitHubError, match="immutable") as caught:
        release(api, model)
    assert "new tag" in caught.value.hint
    assert server.count("POST") == 0
    server.state.add_asset(found["id"], model.name, NEW)
    server.state.add_asset(found["id"], "SHA256SUMS", sums({model.name: NEW}))
    assert release(api, model).uploaded == ()  # all is there: nothing to complain about


def test_release_that_became_immutable(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    server.state.add_release("v1.0")

    def publish_first(request: Any, right: Callable[[], Any]) -> Any:
        one(server)["immutable"] = True
        return right()

    server.faults.append(Fault("POST", STEPS["upload"][1], publish_first))
    with pytest.raises(GitHubError, match="immutable"):
        release(api, model)


@pytest.mark.parametrize("step", [STEPS["list"], STEPS["upload"], STEPS["notes"]])
def test_release_deleted_meanwhile(
    server: GitHubServer, api: GitHubApi, model: Path, step: tuple[str, str]
) -> None:
    server.state.add_release("v1.0")

    def delete_first(request: Any, right: Callable[[], Any]) -> Any:
        server.state.releases.clear()
        server.state.assets.clear()
        return right()

    server.faults.append(Fault(*step, delete_first))
    release(api, model)
    assert server.state.names(one(server)["id"])[model.name] == NEW


def test_missing_permission(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    server.state.writable = frozenset()
    with pytest.raises(ApiError) as caught:
        release(api, model)
    assert caught.value.reason is Reason.PERMISSION
    assert "contents: write" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("model int8.tflite", "model.int8.tflite"),
        ("ü@/..\\a.tflite", "a.tflite"),
        ("..", "file"),
        ("x" * 300 + ".tflite", "x" * 193 + ".tflite"),
        ("plain-1.0_int8.tflite", "plain-1.0_int8.tflite"),
    ],
)
def test_names_are_kept_to_what_github_keeps(name: str, kept: str) -> None:
    assert asset_name(name) == kept


def test_two_files_with_one_name(api: GitHubApi, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "labels.txt").write_text(folder)
    with pytest.raises(UsageError, match="one name"):
        release(api, tmp_path / "a" / "labels.txt", tmp_path / "b" / "labels.txt")
    with pytest.raises(UsageError, match="can't be read"):
        release(api, tmp_path / "missing")


@pytest.mark.parametrize("tag", ["", "a b", "../x", "a..b", "-x", "x\n"])
def test_tags_that_are_none(api: GitHubApi, tag: str) -> None:
    with pytest.raises(UsageError):
        ReleaseWriter(api, "octo/models", tag)


def test_tag_with_a_slash(server: GitHubServer, api: GitHubApi, model: Path) -> None:
    server.state.add_release("models/v1")
    release(api, model, tag="models/v1")
    assert len(server.state.releases) == 1
