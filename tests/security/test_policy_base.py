"""`policy: base` asks for the file that the workflow names, whatever the pull request put there."""

from __future__ import annotations

import action_job
import pytest
from action_job import Job

from coral_action.config.loader import parse_config
from coral_action.config.policy import gate_changes, with_gates_of
from coral_action.github.config_place import ConfigPlace, place_of

job = action_job.job  # the fixture

CONFIG = """
version: 1
downloads:
  testset: {{url: "https://example.org/t.npz", sha256: "{sha256}"}}
  other: {{url: "https://example.org/{other}.npz", sha256: "{sha256}"}}
models:
  - name: digits
    source: {source}
    calibration: {{images: c}}
    preprocess: {{preset: {preset}}}
    evaluation: {{npz: "download:testset/in/it.npz"}}
    limits: {{accuracy_drop: {limit}}}
"""


def config(
    limit: str = "1.0",
    sha256: str = "a" * 64,
    other: str = "o",
    source: str = "m",
    preset: str = "raw",
) -> str:
    return CONFIG.format(limit=limit, sha256=sha256, other=other, source=source, preset=preset)


STRICT, LAX = config(), config("99.0")


def _link(job: Job, name: str) -> None:
    (job.workspace / "ci.yml").write_text(LAX)
    (job.workspace / name).symlink_to("ci.yml")


def _linked_folder(job: Job, name: str) -> None:
    (job.workspace / "elsewhere").mkdir()
    (job.workspace / "elsewhere" / "coral.yml").write_text(LAX)
    (job.workspace / name).parent.symlink_to("elsewhere")


def _submodule(job: Job, name: str) -> None:
    (job.workspace / ".git").mkdir()
    folder = (job.workspace / name).parent
    folder.mkdir()
    (folder / ".git").write_text("gitdir: ../.git/modules/sub\n")
    (folder / "coral.yml").write_text(LAX)


@pytest.mark.parametrize(
    ("put", "name"),
    [(_link, "coral.yml"), (_linked_folder, "sub/coral.yml"), (_submodule, "sub/coral.yml")],
)
@pytest.mark.parametrize("on_base", [True, False])
def test_what_leads_away_does_not_lead_away_from_the_limits(
    job: Job, put: object, name: str, on_base: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(put)
    put(job, name)
    if on_base:
        job.server.state.files["main", name] = STRICT.encode()
        assert job.run(policy="base", config=name) == 0
        drop = job.seen[0].models[0].limits.accuracy_drop
        assert drop is not None
        assert drop.max == 1.0
    else:
        assert job.run(policy="base", config=name) == 2
        assert job.seen == []
        assert "leads to the one that is checked out" in capsys.readouterr().err


def test_a_new_file_is_said_to_have_its_own_limits(job: Job) -> None:
    assert job.start(LAX, None, policy="base") == 0
    assert job.report["gates"] == {"policy": "base", "new_file": True, "changes": []}
    assert "This pull request brings its own limits" in job.comment


def test_places(job: Job) -> None:
    top = job.workspace.resolve()
    for folder in (".git", "checkout/.git", "a/b"):
        (top / folder).mkdir(parents=True)
    (top / "a/b/.git").write_text("gitdir: x\n")
    (top / "other").symlink_to("a")
    assert place_of(top, "coral.yml") == ConfigPlace("coral.yml")
    assert place_of(top, str(top / "a/coral.yml")) == ConfigPlace("a/coral.yml")
    assert place_of(top, "checkout/ci/coral.yml") == ConfigPlace("ci/coral.yml")
    assert place_of(top, "a/b/coral.yml") == ConfigPlace("a/b/coral.yml", "a submodule")
    assert place_of(top, "other/b/coral.yml") == ConfigPlace("other/b/coral.yml", "a link")
    assert place_of(top, "other/../coral.yml") == ConfigPlace("coral.yml")
    (top / "deep").symlink_to("a/b")
    assert place_of(top, "deep/../coral.yml") == ConfigPlace("coral.yml", "a link")
    assert place_of(top / "a/b", "coral.yml") == ConfigPlace("coral.yml")  # a worktree


def test_downloads_of_the_evaluation_are_the_base_s() -> None:
    base, own = (
        parse_config(text, "coral.yml") for text in (STRICT, config(sha256="b" * 64, other="p"))
    )
    held = with_gates_of(base, own)
    assert held.downloads == {
        "testset": base.downloads["testset"],
        "other": own.downloads["other"],
    }
    (change,) = gate_changes(base, own)
    assert (change.gate, change.weaker) == ("download testset", True)
    assert "a" * 64 in str(change.before)
    assert "b" * 64 in str(change.after)
    gone = with_gates_of(base, own.model_copy(update={"downloads": {}}))
    assert gone.downloads == {"testset": base.downloads["testset"]}


def test_what_no_policy_holds_is_shown(job: Job) -> None:
    assert job.start(config(source="other.tflite", preset="0-1"), STRICT, policy="base") == 0
    assert [change["gate"] for change in job.report["gates"]["changes"]] == ["source", "preprocess"]
    assert job.comment.count("own, under any policy)") == 2
    assert job.seen[0].models[0].source == "other.tflite"
