"""The cache: whole entries or none, nothing damaged, nothing for other inputs."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from coral_action.cache import Cache, cache_folder, key_of
from coral_action.scratch import process_mark

KEY = key_of("loading", {"source": "abc", "versions": {"tensorflow": "2.21.0"}})


@pytest.fixture
def into(tmp_path: Path) -> Path:
    """Where copies of an entry's files go."""
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


@pytest.fixture
def stored(tmp_path: Path) -> Cache:
    """A cache with one entry of two files."""
    (tmp_path / "model").write_bytes(b"model bytes")
    (tmp_path / "log").write_text("log")
    cache = Cache(tmp_path / "cache")
    files = {"float.tflite": tmp_path / "model", "x.log": tmp_path / "log"}
    cache.store(KEY, {"format": "keras"}, files)
    return cache


def has(cache: Cache, key: str) -> bool:
    return any(cache.folder.rglob(f"{key}/entry.json"))


def place(cache: Cache) -> Path:
    (found,) = (path.parent for path in cache.folder.rglob("entry.json"))
    return found


def test_round_trip(stored: Cache, into: Path) -> None:
    entry = stored.find(KEY, into)
    assert has(stored, KEY)
    assert entry.files["float.tflite"].parent == into
    assert entry.data == {"format": "keras"}
    assert entry.files["float.tflite"].read_bytes() == b"model bytes"


@pytest.mark.parametrize(
    "parts",
    [
        {"source": "abd", "versions": {"tensorflow": "2.21.0"}},
        {"source": "abc", "versions": {"tensorflow": "2.22.0"}},
        {"source": "abc"},
    ],
)
def test_other_inputs_find_nothing(stored: Cache, into: Path, parts: dict) -> None:
    assert stored.find(key_of("loading", parts), into) is None


def test_order_of_parts_does_not_matter() -> None:
    assert key_of("s", {"a": 1, "b": {"c": 2, "d": 3}}) == key_of(
        "s", {"b": {"d": 3, "c": 2}, "a": 1}
    )
    assert key_of("s", {"a": 1}) != key_of("t", {"a": 1})


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "float.tflite").write_bytes(b"model bytez"),
        lambda folder: (folder / "float.tflite").unlink(),
        lambda folder: (folder / "entry.json").write_text("{"),
        lambda folder: (folder / "entry.json").write_text("[]"),
        lambda folder: (folder / "entry.json").write_text('{"key": 1, "files": {}, "data": {}}'),
        lambda folder: (folder / "entry.json").unlink(),
    ],
)
def test_damaged_entries_are_ignored_and_made_anew(
    stored: Cache, tmp_path: Path, into: Path, damage
) -> None:
    damage(place(stored))
    assert stored.find(KEY, into) is None
    stored.store(KEY, {"again": True}, {"float.tflite": tmp_path / "model"})
    assert stored.find(KEY, into).data == {"again": True}


def test_entry_can_name_no_file_elsewhere(stored: Cache, into: Path) -> None:
    index = place(stored) / "entry.json"
    content = json.loads(index.read_text())
    content["files"] = {"../../../model": content["files"]["float.tflite"]}
    index.write_text(json.dumps(content))
    assert stored.find(KEY, into) is None


def test_no_folder_keeps_nothing(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    Cache(None).store(KEY, {}, {"f": tmp_path / "f"})
    assert Cache(None).find(KEY, tmp_path) is None


def test_folder_that_can_not_be_written_costs_only_the_entry(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file")
    cache.store(KEY, {}, {})
    cache.prune()
    assert cache.find(KEY, tmp_path) is None


def write_many(folder: Path, source: Path) -> None:
    for _ in range(50):
        Cache(folder).store(KEY, {"a": 1}, {"f": source})


def test_two_writers_at_once_leave_one_whole_entry(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 100_000)
    folder = tmp_path / "cache"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(folder, tmp_path / "f")) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    (tmp_path / "into").mkdir()
    found = Cache(folder).find(KEY, tmp_path / "into")
    assert found.files["f"].stat().st_size == 100_000
    assert not list(folder.rglob(".part-*"))


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, into: Path) -> None:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    cache = Cache(tmp_path / "cache", limit_bytes=2500)
    keys = [key_of("s", {"n": n}) for n in range(3)]
    for age, key in enumerate(keys):
        cache.store(key, {}, {"f": tmp_path / "f"})
        index = next(cache.folder.rglob(f"{key}/entry.json"))
        os.utime(index, (1000 + age, 1000 + age))
    assert cache.find(keys[0], into) is not None  # the oldest, but used just now
    cache.prune()
    assert [has(cache, key) for key in keys] == [True, False, True]


def test_entries_within_the_limit_stay(stored: Cache) -> None:
    stored.prune()
    assert has(stored, KEY)


def test_what_a_killed_writer_left_is_removed_and_a_living_one_s_is_not(stored: Cache) -> None:
    group = place(stored).parent
    dead, mine = group / ".part-4194305-77-abc", group / f".part-{process_mark()}-abc"
    dead.mkdir()
    mine.mkdir()
    stored.prune()
    assert (dead.exists(), mine.exists()) == (False, True)


@pytest.mark.parametrize(
    ("wanted", "environment", "expected"),
    [
        ("none", {"HOME": "/home/me"}, None),
        ("kept", {"HOME": "/home/me"}, Path("kept")),
        (None, {"HOME": "/home/me"}, Path("/home/me/.cache/coral-quantize/results")),
        (None, {"HOME": "/h", "XDG_CACHE_HOME": "/x"}, Path("/x/coral-quantize/results")),
        (None, {"HOME": "/h", "XDG_CACHE_HOME": "x"}, Path("/h/.cache/coral-quantize/results")),
        (None, {}, None),
    ],
)
def test_folder(wanted: str | None, environment: dict, expected: Path | None) -> None:
    assert cache_folder(wanted, environment) == expected
