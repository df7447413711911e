"""Temporary folders: removed at the end, or by the next run where there was no end."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT

from coral_action.scratch import Scratch, remove_stale

DEAD = "4194305-77"  # no process has a number above 2**22


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_removed_at_the_end_with_all_that_is_in_it(temporary: Path) -> None:
    with Scratch("compile") as folder:
        Path(folder, "file").write_text("x")
        assert Path(folder).parent == temporary
        assert Path(folder).name.startswith(f"coral-compile-{os.getpid()}-")
    assert list(temporary.iterdir()) == []


def test_own_folders_are_not_stale(temporary: Path) -> None:
    with Scratch() as folder:
        assert remove_stale() == []
        assert Path(folder).is_dir()


def test_folder_of_a_killed_process_is_removed_and_of_a_living_one_is_not(temporary: Path) -> None:
    code = (
        "import time; from coral_action.scratch import Scratch; s = Scratch();"
        "print(s.name, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(PROJECT)},
    )
    folder = Path(child.stdout.readline().strip())
    try:
        assert remove_stale() == []
        assert folder.is_dir()
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert folder.is_dir()
    assert remove_stale() == [folder]
    assert not folder.exists()


def test_a_lock_protects_where_numbers_of_processes_mean_nothing(temporary: Path) -> None:
    """As with a process of another container, which shares the temporary folder."""
    folder = temporary / f"coral-{DEAD}-abc_12"
    folder.mkdir()
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert remove_stale() == []
    os.close(held)
    assert remove_stale() == [folder]


@pytest.mark.parametrize("name", ["coral-reef", f"other-{DEAD}-abc", "coral-12", f"coral-{DEAD}"])
def test_folders_of_others_stay(temporary: Path, name: str) -> None:
    (temporary / name).mkdir()
    assert remove_stale() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives folders away")
def test_folder_that_was_given_to_a_child_s_user_is_removed(temporary: Path) -> None:
    folder = temporary / f"coral-{DEAD}-abc"
    folder.mkdir()
    os.chown(folder, 64100, 64100)
    assert remove_stale() == [folder]
    assert not folder.exists()


def test_links_are_not_followed(temporary: Path) -> None:
    (temporary / "mine").mkdir()
    (temporary / f"coral-{DEAD}-abc").symlink_to(temporary / "mine")
    assert remove_stale() == []
    assert (temporary / "mine").is_dir()
