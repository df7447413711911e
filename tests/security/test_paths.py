"""Nothing named in coral.yml leads out, nothing that Git keeps is overwritten or released."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from harness import Command
from repositories import commit, git, repository

from coral_action import git_folder
from coral_action.config.paths import BrokenLinkError, PathRules, is_git_folder
from coral_action.errors import ConfigError, UsageError
from coral_action.file_writing import replace_file
from coral_action.git_folder import tracked_files
from coral_action.github.inputs import ActionInputs
from coral_action.github.publish import release_files
from coral_action.github.release_notes import report_copy
from coral_action.output_folder import require_free
from coral_action.report.files import write_report
from coral_action.report.model import Report

EMPTY = Report(tool={}, models=[])


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = (tmp_path / "workspace").resolve()
    repository(folder)
    (tmp_path / "outside").mkdir()
    return folder


@pytest.mark.parametrize(
    "value",
    [
        "../outside",
        "/etc/passwd",
        "a/../../outside",
        ".git/config",
        ".GIT/config",
        ".git./config",
        "sub/.git",
        "to-git/config",
        "to-outside/x",
        "to-link/x",
        "file-link",
        "relative-link",
    ],
)
def test_paths_lead_nowhere_else(workspace: Path, value: str) -> None:
    (workspace / "to-git").symlink_to(".git")
    (workspace / "to-outside").symlink_to("../outside")
    (workspace / "to-link").symlink_to("to-outside")
    (workspace / "file-link").symlink_to("/etc/passwd")
    (workspace / "relative-link").symlink_to("../workspace/.git/HEAD")
    with pytest.raises(ConfigError, match="outside of the workspace"):
        PathRules(workspace, workspace).resolve(value)


@pytest.mark.parametrize("value", ["a\0b", "x" * 5000, "\ud800", "loop/x"])
def test_what_is_no_path_is_an_error_of_ours(workspace: Path, value: str) -> None:
    (workspace / "loop").symlink_to("loop")
    if value == "loop/x":
        with pytest.raises(BrokenLinkError, match="leads nowhere"):
            PathRules(workspace, workspace).resolve(value)
        return
    with pytest.raises(ConfigError):
        PathRules(workspace, workspace).resolve(value)


@pytest.mark.parametrize("name", ["git", ".github", ".gitignore", "x.git", "git/.x"])
def test_what_only_looks_like_it_is_fine(name: str) -> None:
    assert not is_git_folder(Path(name))


@pytest.mark.parametrize(
    "key", ["config", "output", "baseline"], ids=["config", "output", "baseline"]
)
@pytest.mark.parametrize("value", [".git/x", "link/x", "loop/x", "../x"])
def test_inputs_lead_nowhere_else(workspace: Path, key: str, value: str) -> None:
    (workspace / "link").symlink_to(".git")
    (workspace / "loop").symlink_to("loop")
    environment = {"GITHUB_WORKSPACE": str(workspace), f"INPUT_{key.upper()}": value}
    with pytest.raises(UsageError, match=f"input {key}:"):
        ActionInputs.from_environment(environment)


# --- tracked files --------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [2, 3, 4])
@pytest.mark.parametrize("hashes", ["sha1", "sha256"])
def test_index_is_read_as_git_reads_it(tmp_path: Path, version: int, hashes: str) -> None:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", f"--object-format={hashes}")
    names = ["a", "a b", "ü", "deep/er/file", "deep/er/file2", "x" * 200, "sub/" + "y" * 130]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to("a")
    commit(folder)
    if version == 3:  # only a flag that version 2 does not know makes it version 3
        (folder / "later").write_text("x")
        git(folder, "add", "--intent-to-add", "later")
    else:
        git(folder, "update-index", f"--index-version={version}")
    assert (folder / ".git" / "index").read_bytes()[4:8] == version.to_bytes(4)
    said = git(folder, "ls-files", "-z").split("\0")
    assert tracked_files(folder) == frozenset(filter(None, said))
    assert len(said) > len(names)


@pytest.mark.parametrize("form", ["split", "sparse", "damaged", "empty", "none"])
def test_index_that_does_not_tell(workspace: Path, form: str) -> None:
    index = workspace / ".git" / "index"
    if form == "split":
        git(workspace, "update-index", "--split-index")
    elif form == "sparse":
        for name in ("in/a", "out/b", "out/c"):
            (workspace / name).parent.mkdir(exist_ok=True)
            (workspace / name).write_text("x")
        commit(workspace)
        git(workspace, "sparse-checkout", "set", "--cone", "--sparse-index", "in")
    elif form == "damaged":
        index.write_bytes(index.read_bytes()[:50])
    elif form == "empty":
        index.write_bytes(b"")
    else:
        index.unlink()
    assert tracked_files(workspace) == (frozenset() if form == "none" else None)


@pytest.mark.parametrize(
    ("file", "output", "refused"),
    [
        ("digits_int8.tflite", ".", True),
        ("DIGITS_INT8.tflite", ".", True),
        ("models/digits_int8_edgetpu.tflite", "models", True),
        ("models/report.json", "models", True),
        ("link-target/report.md", "link", True),
        ("models/other.txt", "models", False),
        ("models/deeper/report.json", "models", False),
        ("other_int8.tflite", ".", False),
        ("coral-output-2/report.json", "coral-output", False),
    ],
)
def test_tracked_files_stay(workspace: Path, file: str, output: str, refused: bool) -> None:
    path = workspace / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("of the repository")
    (workspace / "link").symlink_to("link-target")
    commit(workspace)
    if not refused:
        require_free(workspace / output, workspace, ["digits"])
        return
    with pytest.raises(UsageError, match="is a file of the repository"):
        require_free(workspace / output, workspace, ["digits"])


def test_files_of_an_earlier_run_are_no_files_of_the_repository(workspace: Path) -> None:
    output = workspace / "coral-output"
    output.mkdir()
    (output / "report.json").write_text("{}")
    require_free(output, workspace, ["digits"])
    git(workspace, "update-index", "--split-index")  # now it can't be told any more
    with pytest.raises(UsageError, match="is there already"):
        require_free(output, workspace, ["digits"])


@pytest.mark.parametrize("target", [".git", ".git/hooks", "../outside"])
def test_output_folder_that_leads_away(workspace: Path, target: str) -> None:
    (workspace / "coral-output").symlink_to(target)
    with pytest.raises(UsageError, match=r"outside of the workspace, or in \.git"):
        require_free(workspace / "coral-output", workspace, ["digits"])


def test_a_large_repository_costs_little(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started, and the index is read once."""
    reads = []
    read = git_folder._bytes
    monkeypatch.setattr(git_folder, "_bytes", lambda *a: (reads.append(a[0].name), read(*a))[1])
    for number in range(3_000):
        (workspace / f"{number}.txt").touch()
    commit(workspace)
    started = time.monotonic()
    require_free(workspace / "coral-output", workspace, ["digits"])
    assert reads == ["index"]
    assert time.monotonic() - started < 5


def test_the_run_command_refuses(command: Command, workspace: Path, digits: Path) -> None:
    text = "version: 1\nmodels: [{name: digits, source: model.keras, calibration: {npy: x.npy}}]\n"
    (workspace / "coral.yml").write_text(text)
    (workspace / "digits_int8.tflite").write_bytes(b"precious")
    commit(workspace)
    words = ("--output", ".", "--compiler", "none")
    finished = command("run", *words, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 2
    assert "digits_int8.tflite is a file of the repository" in finished.stderr
    assert (workspace / "digits_int8.tflite").read_bytes() == b"precious"


# --- links in the output folder -------------------------------------------------------------------


def test_reports_follow_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    folder = tmp_path / "output"
    folder.mkdir()
    for name in ("report.json", "report.md", "report.html"):
        (folder / name).symlink_to(outside)
        (folder / f"{name}.part").symlink_to(outside)
    (folder / "coral-report.json").symlink_to(outside)
    write_report(EMPTY, folder)
    report_copy(folder / "report.json")
    assert outside.read_text() == "precious"
    assert json.loads((folder / "coral-report.json").read_text())["models"] == []
    assert not any(path.is_symlink() for path in folder.glob("*report.*[lnd]"))


def test_half_a_file_is_never_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"old")

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "x", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


# --- what goes into a release ---------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["labels.txt", ".git/config", "git/config", "**/HEAD"])
def test_the_token_of_the_checkout_is_not_released(workspace: Path, pattern: str) -> None:
    """actions/checkout leaves it in .git/config; a branch can make a link to it."""
    output = workspace / "coral-output"
    output.mkdir()
    write_report(EMPTY, output)
    (workspace / "labels.txt").symlink_to(".git/config")
    (workspace / "git").symlink_to(".git")
    environment = {"GITHUB_WORKSPACE": str(workspace), "INPUT_RELEASE-FILES": pattern}
    with pytest.raises(UsageError, match=r"into \.git|matches no file"):
        release_files(EMPTY, ActionInputs.from_environment(environment))


def test_a_model_that_became_a_link_is_not_released(workspace: Path) -> None:
    output = workspace / "coral-output"
    output.mkdir()
    write_report(EMPTY, output)
    (output / "digits_int8.tflite").symlink_to("../.git/config")
    model = {
        "name": "digits",
        "status": "ok",
        "source": {"path": "x"},
        "files": {"int8": "coral-output/digits_int8.tflite"},
    }
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": [model]})
    inputs = ActionInputs.from_environment({"GITHUB_WORKSPACE": str(workspace)})
    with pytest.raises(UsageError, match="a link, where a run leaves a file"):
        release_files(report, inputs)
