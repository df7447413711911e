"""All names that a run or `merge` writes or removes are known, and no tracked file has one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Command, DemoRun
from repositories import commit, repository

from coral_action.errors import UsageError
from coral_action.evaluation import Shard
from coral_action.output_folder import REPORT_FILES, is_of_model, require_free
from coral_action.report.files import remove_report
from coral_action.sharding import remove_shards

PRECIOUS = "of the repository"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = (tmp_path / "workspace").resolve()
    repository(folder)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "digits_labels.txt",
        "Digits_Labels.txt",
        "digits.shard-1-of-2.npz",
        "digits.shard-of-my-notes-of-me.npz",
        "digits_int8.tflite",
        "digits_int8.tflite.part",
        "digits_int8_edgetpu.log",
        "digits_int8_segment_0_of_2_edgetpu.tflite",
        *REPORT_FILES,
    ],
)
def test_tracked_files_of_any_such_name_stay(workspace: Path, name: str) -> None:
    (workspace / name).write_text(PRECIOUS)
    commit(workspace)
    with pytest.raises(UsageError, match="is a file of the repository"):
        require_free(workspace, workspace, ["other", "digits"])


@pytest.mark.parametrize("name", ["report.md.part", "digits.npz", "digit_labels.txt", "labels.txt"])
def test_other_files_may_be_there_and_are_left_alone(workspace: Path, name: str) -> None:
    (workspace / name).write_text(PRECIOUS)
    commit(workspace)
    require_free(workspace, workspace, ["digits"])
    remove_report(workspace)
    remove_shards(workspace, "digits")
    assert (workspace / name).read_text() == PRECIOUS


def test_all_that_a_run_writes_is_in_the_list(demo: DemoRun) -> None:
    models = [model["name"] for model in demo.report["models"]]
    made = [path.name for path in demo.output.iterdir()]
    unknown = [
        n for n in made if n not in REPORT_FILES and not any(is_of_model(n, m) for m in models)
    ]
    assert unknown == []
    assert any(name.endswith("_labels.txt") for name in made)
    assert is_of_model(Shard(1, 2).file_name("digits"), "digits")


# --- merge ----------------------------------------------------------------------------------------


@pytest.fixture
def part(workspace: Path) -> Path:
    """What another job left: a report that names more than a run makes."""
    folder = workspace / "parts" / "1"
    folder.mkdir(parents=True)
    for name in ("digits_int8.tflite", "notes.md"):
        (folder / name).write_text("of another job")
    files = {"int8": "digits_int8.tflite", "labels": "notes.md"}
    model = {"name": "digits", "status": "ok", "source": {"path": "m"}, "files": files}
    config = {"sha256": "a", "models": ["digits"]}
    report = {"schema_version": 1, "tool": {}, "config": config, "models": [model]}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


WORDS = ("merge", "parts", "--output", "out", "--quiet")


@pytest.mark.usefixtures("part")
@pytest.mark.parametrize("name", ["digits_int8.tflite", "report.json"])
def test_merge_refuses_tracked_files(workspace: Path, command: Command, name: str) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / name).write_text(PRECIOUS)
    commit(workspace)
    finished = command(*WORDS, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert (finished.code, (workspace / "out" / name).read_text()) == (2, PRECIOUS)
    assert f"out/{name} is a file of the repository" in finished.stderr


@pytest.mark.usefixtures("part")
def test_merge_refuses_a_folder_that_leads_out(workspace: Path, command: Command) -> None:
    (workspace / "out").symlink_to("../elsewhere")
    finished = command(*WORDS, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 2
    assert not (workspace.parent / "elsewhere").exists()


@pytest.mark.usefixtures("part")
def test_merge_copies_names_of_a_run_only(workspace: Path, command: Command) -> None:
    (workspace / "out").mkdir()
    (workspace / "out" / "notes.md").write_text(PRECIOUS)
    commit(workspace)
    finished = command(*WORDS, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 0, finished.stderr
    assert (workspace / "out" / "notes.md").read_text() == PRECIOUS
    report = json.loads((workspace / "out" / "report.json").read_text())
    assert report["models"][0]["files"] == {"int8": "out/digits_int8.tflite"}


@pytest.mark.usefixtures("part")
def test_merge_follows_no_link(workspace: Path, command: Command) -> None:
    """Without a workspace nothing is refused, and still nothing written elsewhere."""
    outside = workspace.parent / "outside"
    outside.write_text(PRECIOUS)
    (workspace / "out").mkdir()
    for name in ("digits_int8.tflite", "report.json", "report.md"):
        (workspace / "out" / name).symlink_to(outside)
    finished = command(*WORDS, cwd=workspace)
    assert finished.code == 0, finished.stderr
    assert outside.read_text() == PRECIOUS
    assert (workspace / "out" / "digits_int8.tflite").read_text() == "of another job"
