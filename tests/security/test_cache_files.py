"""Files of a cache that are none: links, devices, FIFOs, and what takes all memory."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import PROJECT

from coral_action import cache as cache_module
from coral_action.cache import Cache, key_of
from coral_action.file_index import FileIndex

KEY = key_of("loading", {})
PRECIOUS = "the file of another step"

# Reads an entry with little memory, as a runner has not much more.
READ = """
import resource, sys
from pathlib import Path
from coral_action.cache import Cache
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
print(Cache(Path(sys.argv[1])).find(sys.argv[2], Path(sys.argv[3])))
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that nothing may touch, with an entry in it."""
    folder = tmp_path / "outside"
    store(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return store(tmp_path / "cache")


def store(folder: Path) -> Cache:
    source = folder.parent / "source"
    source.write_text(PRECIOUS)
    found = Cache(folder)
    found.store(KEY, {"a": 1}, {"f": source})
    return found


def place(cache: Cache) -> Path:
    return cache.folder / "entries" / KEY[:2] / KEY


def find_in_a_process(cache: Cache) -> str:
    """What another process finds, in ten seconds at most."""
    into = cache.folder.parent / "into"
    into.mkdir()
    return subprocess.run(
        [sys.executable, "-c", READ, str(cache.folder), KEY, str(into)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout.strip()


def test_what_was_stored_is_found(cache: Cache) -> None:
    assert find_in_a_process(cache).startswith("Entry(data={'a': 1}")


@pytest.mark.parametrize("name", ["entry.json", "f"])
@pytest.mark.parametrize("kind", ["/dev/zero", "file", "fifo", "folder", "hard link"])
def test_what_is_no_plain_file_is_no_entry(cache: Cache, name: str, kind: str) -> None:
    path = place(cache) / name
    same = path.rename(cache.folder.parent / "same")  # its content, and so its hash, is right
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "hard link":
        os.link(same, path)
    else:
        path.symlink_to(same if kind == "file" else kind)
    assert find_in_a_process(cache) == "None"


@pytest.mark.parametrize("what", ["sparse index", "sparse file", "deep"])
def test_what_takes_too_much_is_no_entry(cache: Cache, what: str) -> None:
    index, file = place(cache) / "entry.json", place(cache) / "f"
    if what.startswith("sparse"):
        os.truncate(index if what == "sparse index" else file, 1 << 40)
    else:
        index.write_text("[" * 1_000_000)
    assert find_in_a_process(cache) == "None"


def test_no_memory_is_no_entry(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*given: object) -> None:
        raise MemoryError

    monkeypatch.setattr(cache_module.json, "loads", full)
    assert cache.find(KEY, tmp_path) is None


LINKED: list[Callable[[Cache], Path]] = [
    lambda cache: place(cache),
    lambda cache: place(cache).parent,
    lambda cache: cache.folder / "entries",
]


@pytest.mark.parametrize("linked", LINKED, ids=["entry", "group", "entries"])
def test_nothing_is_read_through_a_link_to_a_folder(
    cache: Cache, outside: Path, linked: Callable[[Cache], Path], tmp_path: Path
) -> None:
    link = linked(cache)
    link.rename(tmp_path / "away")
    link.symlink_to(outside / link.relative_to(cache.folder))
    assert cache.find(KEY, tmp_path) is None
    link.unlink()
    (tmp_path / "away").rename(link)
    assert cache.find(KEY, tmp_path) is not None


@pytest.mark.parametrize("linked", LINKED, ids=["entry", "group", "entries"])
def test_nothing_is_written_or_removed_through_a_link_to_a_folder(
    cache: Cache, outside: Path, linked: Callable[[Cache], Path], tmp_path: Path
) -> None:
    link = linked(cache)
    link.rename(tmp_path / "away")
    link.symlink_to(outside / link.relative_to(cache.folder))
    left = outside / "entries" / KEY[:2] / ".part-4194305-77-abc"  # as of a killed run
    left.mkdir()
    before = {path: path.lstat().st_mtime_ns for path in outside.rglob("*")}
    cache.store(KEY, {"b": 2}, {"f": tmp_path / "source"})
    Cache(cache.folder, limit_bytes=0).prune()
    assert {path: path.lstat().st_mtime_ns for path in outside.rglob("*")} == before


@pytest.mark.parametrize("kind", ["link", "fifo", "folder link"])
def test_the_index_of_files_is_a_plain_file(tmp_path: Path, kind: str) -> None:
    """Its own file, and the folder that it lies in."""
    seen, precious = tmp_path / "seen", tmp_path / "elsewhere" / "x.json"
    seen.write_text("x")
    os.utime(seen, (1, 1))
    precious.parent.mkdir()
    stamp = [getattr(seen.stat(), f"st_{name}") for name in ("dev", "ino", "size", "mtime_ns")]
    known = json.dumps([[str(seen), [*stamp, seen.stat().st_ctime_ns], "false"]])
    precious.write_text(known)
    file = tmp_path / "files" / "x.json"
    if kind == "folder link":
        file.parent.symlink_to(precious.parent)
    else:
        file.parent.mkdir()
        file.symlink_to(precious) if kind == "link" else os.mkfifo(file)
    time.sleep(2.1)  # by git's rule, only then is it remembered
    index = FileIndex(file)
    assert index.digest(str(seen)) == hashlib.sha256(b"x").hexdigest()
    index.save()
    assert precious.read_text() == known
    assert [path.name for path in precious.parent.iterdir()] == ["x.json"]
    if kind != "folder link":
        assert FileIndex(file).digest(str(seen)) == hashlib.sha256(b"x").hexdigest()
        assert file.is_file() and not file.is_symlink()
