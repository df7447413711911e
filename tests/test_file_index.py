"""Digests of files: remembered only where nothing can have changed unnoticed."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest

from coral_action.file_index import FileIndex


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def aged(path: Path, content: bytes) -> Path:
    """A file that was last modified a minute ago; its inode changed just now all the same."""
    path.write_bytes(content)
    past = time.time() - 60
    os.utime(path, (past, past))
    return path


@pytest.fixture
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two minutes pass between writing a file and looking at it."""
    now = time.time_ns
    monkeypatch.setattr("coral_action.file_index.time.time_ns", lambda: now() + 120 * 10**9)


def test_digest_is_sha256_of_the_content(tmp_path: Path) -> None:
    content = os.urandom(3_000_000)  # more than one read
    (tmp_path / "f").write_bytes(content)
    assert FileIndex().digest(str(tmp_path / "f")) == sha(content)


def test_many_files_keep_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / str(n) for n in range(500)]
    for path in paths:
        path.write_text(path.name)
    found = FileIndex().digests(map(str, paths))
    assert found == [sha(path.name.encode()) for path in paths]


@pytest.mark.usefixtures("long_ago")
def test_an_old_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = aged(tmp_path / "f", b"content")
    index = FileIndex(tmp_path / "index.json")
    first = index.digest(str(path))
    index.save()
    again = FileIndex(tmp_path / "index.json")
    monkeypatch.setattr("coral_action.file_index.os.read", None)  # reading would raise
    assert again.digest(str(path)) == first == sha(b"content")


def test_a_file_written_just_now_is_read_again(tmp_path: Path) -> None:
    """The same size and the same tick of the clock: only the content tells."""
    path = tmp_path / "f"
    path.write_bytes(b"one")
    status = path.stat()
    index = FileIndex(tmp_path / "index.json")
    assert index.digest(str(path)) == sha(b"one")
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert index.digest(str(path)) == sha(b"two")


@pytest.mark.usefixtures("long_ago")
@pytest.mark.parametrize("how", ["in_place", "replaced"])
def test_a_change_that_hides_its_time_is_found(tmp_path: Path, how: str) -> None:
    """`cp -p` and `touch -r` set the time of modification, but not that of the inode."""
    path = aged(tmp_path / "f", b"one")
    status = path.stat()
    index = FileIndex()
    assert index.digest(str(path)) == sha(b"one")
    time.sleep(0.02)  # the clock of the file system ticks
    target = path if how == "in_place" else tmp_path / "other"
    target.write_bytes(b"two")
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    target.replace(path)
    assert index.digest(str(path)) == sha(b"two")


@pytest.mark.usefixtures("long_ago")
def test_files_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    index = FileIndex(tmp_path / "index.json")
    for name in ("stays", "goes"):
        index.digest(str(aged(tmp_path / name, b"x")))
    (tmp_path / "goes").unlink()
    index.save()
    ((path, _),) = json.loads((tmp_path / "index.json").read_text())
    assert path == str(tmp_path / "stays")


def test_what_is_no_readable_file_has_no_digest(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    names = ("fifo", "broken", "missing", ".")
    assert FileIndex().digests(str(tmp_path / name) for name in names) == [""] * 4


@pytest.mark.parametrize("content", ["", "{", "[1]", '[["f", 1]]', '{"a": 1}', "[[[], []]]"])
def test_a_damaged_index_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "index.json").write_text(content)
    (tmp_path / "f").write_bytes(b"x")
    assert FileIndex(tmp_path / "index.json").digest(str(tmp_path / "f")) == sha(b"x")
