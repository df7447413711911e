"""What root made in somebody's folder is that person's afterwards."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from coral_action.ownership import give_back, given_back

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

OWNER = (1234, 5678)


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_new_files_and_folders_are_given_back(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    outside = tmp_path / "outside"
    outside.touch()
    foreign = workspace / "foreign"
    foreign.touch()
    os.chown(foreign, 4321, 4321)
    os.chown(workspace, *OWNER)
    made = workspace / "new" / "out"
    with given_back(workspace):
        (made / "deep").mkdir(parents=True)
        (made / "deep" / "file").touch()
        (made / "link").symlink_to(outside)
    for path in (made.parent, made, made / "deep", made / "deep" / "file", made / "link"):
        assert owner(path) == OWNER, path
    assert owner(outside) == (0, 0), "links are not followed"
    assert owner(foreign) == (4321, 4321), "others keep what is theirs"


def test_files_from_before_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    os.chown(tmp_path, *OWNER)
    give_back(tmp_path, since_ns=2**62)
    assert owner(tmp_path / "old") == (0, 0)


def test_nothing_to_give_back(tmp_path: Path) -> None:
    give_back(tmp_path / "missing", since_ns=0)
    (tmp_path / "mine").touch()
    give_back(tmp_path, since_ns=0)
    assert owner(tmp_path / "mine") == (0, 0)
