"""A cache that comes with the checkout is none: its author would decide what models are."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from harness import Command, DemoRun
from repositories import commit, git, repository

from coral_action.cache_origin import why_not_ours
from coral_action.github.inputs import ActionInputs


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = (tmp_path / "workspace").resolve()
    repository(folder)
    return folder


def fill(folder: Path) -> None:
    """What a run leaves, in part."""
    place = folder / "entries" / "ab" / "abc"
    place.mkdir(parents=True)
    (place / "entry.json").write_text("{}")


@pytest.mark.parametrize("name", [".coral-cache", "deep/er/cache"])
@pytest.mark.parametrize("spelled", ["plain", "with dots"])
def test_what_a_run_left_is_used(workspace: Path, name: str, spelled: str) -> None:
    cache = workspace / name
    assert why_not_ours(cache, workspace) is None
    fill(cache)
    given = cache if spelled == "plain" else cache / ".." / cache.name
    assert why_not_ours(given, workspace) is None
    assert why_not_ours(workspace / "." / name, workspace) is None


@pytest.mark.parametrize(
    "kind", ["files", "one file", "other case", "link", "link above", "link inside", "submodule"]
)
def test_what_comes_with_the_checkout_is_no_cache(workspace: Path, kind: str) -> None:
    cache = workspace / "kept" / "cache"
    if kind == "files":
        fill(cache)
    elif kind == "one file":
        cache.mkdir(parents=True)
        (cache / ".keep").touch()
    elif kind == "other case":
        fill(workspace / "Kept" / "CACHE")
    elif kind == "link":
        fill(workspace / "models")
        cache.parent.mkdir()
        cache.symlink_to("../models")
    elif kind == "link above":
        fill(workspace / "models" / "cache")
        (workspace / "kept").symlink_to("models")
    elif kind == "link inside":
        cache.mkdir(parents=True)
        (cache / "entries").symlink_to("../../models")
    else:
        other = workspace.parent / "other"
        repository(other)
        git(workspace, "submodule", "add", "--quiet", str(other), "kept")
    commit(workspace)
    assert why_not_ours(cache, workspace) is not None


def test_a_link_that_leads_out_or_round_is_no_cache(workspace: Path) -> None:
    (workspace / "out").symlink_to("../elsewhere")
    (workspace / "round").symlink_to("round")
    for name in ("out", "out/cache", "round", "round/cache"):
        assert why_not_ours(workspace / name, workspace) is not None, name
    assert why_not_ours(workspace / ".git" / "cache", workspace) is not None


def test_the_checkout_within_a_checkout(workspace: Path) -> None:
    """What the outer repository keeps, and what a repository of its own within it keeps."""
    inner = workspace / "inner"
    repository(inner)
    fill(inner / "cache")
    assert why_not_ours(inner / "cache", workspace) is None
    commit(inner)
    assert why_not_ours(inner / "cache", workspace) is not None
    assert why_not_ours(inner / "cache", inner) is not None
    assert why_not_ours(inner / "cache", inner / "cache") is not None  # a workspace below both


def test_where_git_s_index_does_not_tell_only_an_empty_folder_is_a_cache(workspace: Path) -> None:
    cache = workspace / ".coral-cache"
    git(workspace, "update-index", "--split-index")
    assert why_not_ours(cache, workspace) is None
    fill(cache)
    assert why_not_ours(cache, workspace) is not None


def test_the_user_s_own_folder_is_a_cache(workspace: Path, tmp_path: Path) -> None:
    fill(tmp_path / "own")
    (tmp_path / "link").symlink_to("own")
    assert why_not_ours(tmp_path / "own", workspace) is None
    assert why_not_ours(tmp_path / "link", workspace) is None


def test_the_input_keeps_its_links(workspace: Path) -> None:
    """Resolved, the link that led there could not be seen any more."""
    fill(workspace / "models")
    (workspace / ".coral-cache").symlink_to("models")
    environment = {"GITHUB_WORKSPACE": str(workspace), "INPUT_CACHE": "x/../.coral-cache"}
    cache = ActionInputs.from_environment(environment).cache
    assert cache == workspace / ".coral-cache"
    assert why_not_ours(cache, workspace) == "a link in the workspace leads there"


def test_a_committed_cache_decides_nothing(
    demo: DemoRun, digits: Path, tmp_path: Path, command: Command
) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(digits, workspace)
    cache = workspace / ".coral-cache"
    shutil.copytree(demo.cache, cache)
    repository(workspace)
    shutil.copyfile(digits / "coral.yml", workspace / "coral.yml")
    commit(workspace)
    before = sorted(os.walk(cache))
    words = ("--model", "digits_saved_model", "--compiler", "none", "--cache", ".coral-cache")
    finished = command("run", *words, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 0, finished.stderr
    assert "warning: the cache '.coral-cache' is not used: Git keeps files of it" in finished.stderr
    report = json.loads((workspace / "coral-output" / "report.json").read_text())
    assert report["models"][0].get("from_cache") is None
    assert sorted(os.walk(cache)) == before
