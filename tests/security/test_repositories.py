"""Every `.git` of a workspace is found, and children read all but them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from repositories import commit, git, repository

from coral_action import repositories
from coral_action.errors import UsageError
from coral_action.isolation import run_program, workspace
from coral_action.repositories import git_entries, git_folders_elsewhere


def readable(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in workspace(root).readable}


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def test_what_is_read_of_a_workspace(tmp_path: Path) -> None:
    put(tmp_path, "a", ".git/config", "src/b", "src/.git/config", "data/c/d", "deep/e/f/.GIT./x")
    put(tmp_path, "deep/g/h", "deep/e/i")
    (tmp_path / "src" / "link").symlink_to("/etc")
    assert readable(tmp_path) == {"a", "src/b", "data", "deep/g", "deep/e/i"}


def test_git_folders_of_real_worktrees_and_submodules(tmp_path: Path) -> None:
    """Where the settings of a checkout are elsewhere, that is denied as well."""
    repository(tmp_path / "elsewhere")
    root = tmp_path / "workspace"
    root.mkdir()
    git(tmp_path, "clone", "--quiet", "--bare", str(tmp_path / "elsewhere"), str(root / "store"))
    git(root / "store", "worktree", "add", "--quiet", "--detach", str(root / "tree"))
    put(root, "sep/a", "kept/b")
    git(root, "init", "--quiet", "--separate-git-dir", str(root / "kept" / "g"), str(root / "sep"))
    put(root, "tree/c")
    assert readable(root) == {"sep/a", "kept/b", "tree/c", "tree/coral.yml"}
    git(root / "sep", "submodule", "--quiet", "add", str(tmp_path / "elsewhere"), "sub")
    commit(root / "sep")
    (entry,) = [e for e in git_entries(root / "sep") if e.parent.name == "sub"]
    assert git_folders_elsewhere(entry) == [root / "kept" / "g" / "modules" / "sub"]


def test_a_git_that_is_no_file_of_git_s(tmp_path: Path) -> None:
    import os

    put(tmp_path, "a/b", "c/d", "e/f", "g/h")
    os.mkfifo(tmp_path / "a" / ".git")
    (tmp_path / "c" / ".git").symlink_to("../e")
    (tmp_path / "g" / ".git").write_bytes(b"gitdir: \0\xff")
    assert readable(tmp_path) == {"a/b", "c/d", "g/h"}


def test_too_many_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repositories, "MAX_FOLDERS", 20)
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(UsageError, match="too many to look for the tokens") as raised:
        workspace(tmp_path)
    assert raised.value.exit_code == 2


def test_many_files_cost_little(tmp_path: Path) -> None:
    for number in range(1_000):
        put(tmp_path, f"{number % 100}/{number}/x")
    begun = time.monotonic()
    git_entries(tmp_path)
    assert time.monotonic() - begun < 5  # 10 ms on an idle machine


def test_a_workspace_of_many_names_is_no_longer_than_an_argument(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy of a program names each entry at the top; an argument has 128 KiB at most."""
    put(tmp_path, *(f"{number:0100}" for number in range(1_500)))
    tmp_path.chmod(0o755)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    assert run_program(["/bin/sh", "-c", "echo fine"], seconds=60).output == "fine\n"
