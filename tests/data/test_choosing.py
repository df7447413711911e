"""Which samples are used, how they are labelled, and how they are told apart."""

from __future__ import annotations

import hashlib
import random
import threading
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_specs import Spec
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coral_action.config.paths import PathRules
from coral_action.data import Samples
from coral_action.data.files import find_files
from coral_action.data.images import SUFFIXES
from coral_action.data.prefetch import read_ahead, read_in_bursts
from coral_action.data.samples import at_once
from coral_action.data.sampling import choose
from coral_action.errors import DataError

Open = Callable[..., Samples]
SHAPE = (1, 2, 3, 1)


def write_images(folder: Path, names: list[str]) -> None:
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), number).save(path)


def names_of(samples: Samples) -> list[str]:
    return [sample.name for sample in samples]


NAMES = [f"{name}.png" for name in ("a", "B", "b10", "b9", "sub/z", "é")]


def test_the_draw_is_written_down(tmp_path: Path, opened: Open) -> None:
    """By hand: the order of SHA-256 over seed, line feed and name."""
    write_images(tmp_path / "in", NAMES)
    by_hash = sorted(NAMES, key=lambda n: hashlib.sha256(f"7\n{n}".encode()).digest())
    assert names_of(opened({"images": "in", "seed": 7}, SHAPE)) == by_hash
    assert names_of(opened({"images": "in", "seed": 7, "samples": 3}, SHAPE)) == by_hash[:3]
    assert names_of(opened({"images": "in", "seed": 8}, SHAPE)) != by_hash


def test_without_shuffle_the_first_by_name(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", random.Random(2).sample(NAMES, len(NAMES)))
    data = {"images": "in", "shuffle": False, "samples": 4}
    assert names_of(opened(data, SHAPE)) == ["B.png", "a.png", "b10.png", "b9.png"]


def test_a_name_counts_the_same_however_its_accents_are_stored() -> None:
    composed, decomposed = [["é1", "è2", "x"], ["e\u03011", "e\u03002", "x"]]
    assert choose(composed, limit=3, seed=1) == choose(decomposed, limit=3, seed=1)


labels = st.lists(st.integers(0, 4), min_size=1, max_size=80)


@given(labels, st.integers(1, 90), st.integers())
def test_stratified_draws_keep_proportions(classes: list[int], limit: int, seed: int) -> None:
    names = [f"{i}.png" for i in range(len(classes))]
    chosen = choose(names, limit=limit, seed=seed, classes=classes)
    assert len(set(chosen)) == len(chosen) == min(limit, len(names))
    whole, part = Counter(classes), Counter(classes[i] for i in chosen)
    if limit >= len(whole):
        assert part.keys() == whole.keys()
    for label, count in whole.items():
        share = count * len(chosen) / len(classes)
        assert abs(part[label] - share) <= len(whole)


def test_a_removed_file_leaves_the_draw_of_the_others() -> None:
    names = [f"{i}.png" for i in range(100)]
    before = [names[i] for i in choose(names, limit=40, seed=3)]
    less = [name for name in names if name != before[5]]
    after = [less[i] for i in choose(less, limit=39, seed=3)]
    assert after == before[:5] + before[6:]


def test_evaluation_uses_all_and_in_order(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["1/b.png", "0/a.png", "0/c.png"])
    data = {"images": "in", "labels": "folders"}
    assert names_of(opened(data, SHAPE, evaluation=True)) == ["0/a.png", "0/c.png", "1/b.png"]
    assert len(opened({**data, "samples": 2}, SHAPE, evaluation=True)) == 2


def test_shards_make_up_the_whole(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", NAMES)
    samples = opened({"images": "in"}, SHAPE)
    parts = [names_of(samples.shard(index, 4)) for index in range(4)]
    assert sorted(name for part in parts for name in part) == sorted(names_of(samples))
    assert parts[0] == names_of(samples)[::4]


def test_positions_are_those_in_the_whole(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", NAMES)
    (tmp_path / "in" / "b9.png").write_bytes(b"")
    samples = opened({"images": "in", "max_bad_files": 1}, SHAPE)
    whole = {sample.name: sample.position for sample in samples}
    # The bad file keeps its place, so that what workers say of a position means the same sample.
    by_hash = sorted(NAMES, key=lambda n: hashlib.sha256(f"0\n{n}".encode()).digest())
    assert whole == {name: by_hash.index(name) for name in NAMES if name != "b9.png"}
    parts = [samples.shard(index, 2).shard(part, 2) for index in range(2) for part in range(2)]
    assert {s.name: s.position for part in parts for s in part} == whole


def test_manifest_is_what_sha256sum_would_say(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", NAMES)
    manifest = opened({"images": "in", "samples": 3}, SHAPE).manifest()
    assert manifest["count"] == 3
    lines = [
        f"{hashlib.sha256((tmp_path / 'in' / name).read_bytes()).hexdigest()}  {name}\n"
        for name in manifest["files"]
    ]
    assert manifest["files"] == sorted(manifest["files"])
    assert manifest["sha256"] == hashlib.sha256("".join(lines).encode()).hexdigest()


def test_list_files_and_globs(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path, ["x/cat/1.png", "x/dog/1.png", "x/dog/2.png"])
    (tmp_path / "list.txt").write_text("# training\nx/dog/2.png\n\nx/cat/1.png\n")
    samples = list(opened({"images": "list.txt", "labels": "folders"}, SHAPE, evaluation=True))
    assert [(s.name, s.label) for s in samples] == [("x/cat/1.png", 0), ("x/dog/2.png", 1)]
    data = {"images": "x/*/1.png", "labels": "folders"}
    samples = list(opened(data, SHAPE, evaluation=True))
    assert [(s.name, s.label) for s in samples] == [("cat/1.png", 0), ("dog/1.png", 1)]


def test_a_folder_above_may_look_like_a_glob(tmp_path: Path) -> None:
    write_images(tmp_path, ["my [old] x/data/cat/1.png", "my [old] x/data/dog/1.png"])
    inside = PathRules(tmp_path / "my [old] x", tmp_path)
    found = find_files("data/*/*.png", SUFFIXES, inside, "images")
    assert found.base == tmp_path / "my [old] x" / "data"
    assert found.names == ["cat/1.png", "dog/1.png"]
    assert found.folders == ["cat", "dog"]


def test_accents_may_be_spelled_in_two_ways(tmp_path: Path, opened: Open) -> None:
    composed, decomposed = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))
    write_images(tmp_path / "in", [f"{decomposed}/1.png", f"{decomposed}/2.png"])
    write_images(tmp_path / "other", [f"{composed}/1.png", f"{composed}/2.png"])
    (tmp_path / "l.csv").write_text(f"{composed}/1.png,5\nin/{composed}/2.png,7\n")
    assert list(labelled(opened, labels="l.csv").values()) == [5, 7]
    assert len(opened({"images": {"in0": "in", "in1": "other"}}, SHAPE, SHAPE)) == 2


@pytest.mark.parametrize("value", ["gone", "empty", "gone/*.png", "data.txt"])
def test_no_images(value: str, tmp_path: Path, opened: Open) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.md").write_text("no image")
    with pytest.raises(DataError, match=rf"calibration: .*{value.replace('*', '.')}"):
        opened({"images": value}, SHAPE)


def test_a_file_of_another_kind_is_not_called_missing(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path, ["photo.png"])
    (tmp_path / "photo.png").rename(tmp_path / "photo.jfif")
    with pytest.raises(DataError, match=r"photo\.jfif: its suffix is of no images") as caught:
        opened({"images": "photo.jfif"}, SHAPE)
    assert ".jpeg" in caught.value.hint


def labelled(opened: Open, **data: Any) -> dict[str, Any]:
    samples = opened({"images": "in", **data}, SHAPE, evaluation=True)
    return {sample.name: sample.label for sample in samples}


def test_labels_from_a_list_of_class_names(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["cat/1.png", "house finch/1.png"])
    (tmp_path / "labels.txt").write_text("background\nhouse finch\ndog\ncat\n")
    assert labelled(opened, labels="labels.txt") == {"cat/1.png": 3, "house finch/1.png": 1}
    # Coral's files number their lines themselves.
    (tmp_path / "labels.txt").write_text("0  background\n17  house finch\n21  cat\n")
    assert labelled(opened, labels="labels.txt") == {"cat/1.png": 21, "house finch/1.png": 17}
    (tmp_path / "labels.txt").write_text("dog\ncat\n")
    with pytest.raises(DataError, match="the folder house finch is no class"):
        labelled(opened, labels="labels.txt")


def test_labels_from_a_table(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["1.png", "2.png"])
    (tmp_path / "l.csv").write_text("1.png,5\n2.png,0\n")
    assert labelled(opened, labels="l.csv") == {"1.png": 5, "2.png": 0}
    (tmp_path / "l.csv").write_text("class,file\ncat,in/2.png\n dog , in/1.png\ncat,in/gone.png\n")
    (tmp_path / "names.txt").write_text("dog\ncat\n")
    found = labelled(opened, labels="l.csv", class_names="names.txt")
    assert found == {"1.png": 0, "2.png": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.png,5\n", r"l\.csv: no label for 2\.png"),
        ("1.png,5\n2.png,cat\n", r"l\.csv:2: 'cat' is no class number"),
        ("1.png,5\n2.png\n", r"l\.csv:2: a row of 1 column"),
        ("1.png,5\n1.png,4\n", r"l\.csv:2: 1\.png has two labels"),
        ("1.png,-1\n", r"l\.csv:1: '-1' is no class number"),
    ],
)
def test_broken_tables(text: str, message: str, tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["1.png", "2.png"])
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        labelled(opened, labels="l.csv")


def test_folders_need_folders(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["1.png", "cat/2.png"])
    with pytest.raises(DataError, match=r"1\.png lies in no class folder"):
        labelled(opened, labels="folders")


@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_follow_their_images(mode: str, tmp_path: Path, opened: Open) -> None:
    classes = np.array([[0, 1, 2, 3], [4, 5, 6, 7]], np.uint8)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "masks" / "sub").mkdir(parents=True)
    Image.new("RGB", (4, 2)).save(tmp_path / "in" / "sub" / "1.jpg")
    mask = Image.fromarray(classes)
    if mode == "P":
        mask = Image.new("P", (4, 2))
        mask.putpalette([7, 7, 7] * 256)  # colours mean nothing
        mask.putdata(classes.ravel().tolist())
    mask.save(tmp_path / "masks" / "sub" / "1.png")
    data = {"images": "in", "masks": "masks"}
    (sample,) = opened(data, (1, 4, 8, 3), evaluation=True)
    np.testing.assert_array_equal(sample.label, classes.repeat(2, axis=0).repeat(2, axis=1))
    (sample,) = opened(
        data, (1, 6, 4, 3), evaluation=True, preprocess={"resize": {"mode": "letterbox"}}
    )
    expected = np.full((6, 4), 255)
    expected[2:4] = classes
    np.testing.assert_array_equal(sample.label, expected)


def test_masks_that_do_not_fit(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "in", ["1.png"])
    (tmp_path / "masks").mkdir()
    data = {"images": "in", "masks": "masks"}
    with pytest.raises(DataError, match=r"masks/1\.png: can't be read"):
        list(opened(data, SHAPE, evaluation=True))
    for mask, message in (
        (Image.new("L", (9, 9)), r"masks/1\.png: 9 x 9 pixels, but its image has 3 x 2"),
        (Image.new("RGB", (3, 2)), r"masks/1\.png: a mask with colours"),
    ):
        mask.save(tmp_path / "masks" / "1.png")
        with pytest.raises(DataError, match=message):
            list(opened(data, SHAPE, evaluation=True))


def test_images_of_two_inputs_belong_together_by_name(tmp_path: Path, opened: Open) -> None:
    write_images(tmp_path / "left", ["1.png", "2.png"])
    write_images(tmp_path / "right", ["2.bmp", "1.bmp"])
    data = {"images": {"in0": "left", "in1": "right"}, "shuffle": False}
    first, second = opened(data, SHAPE, SHAPE)
    assert [first.inputs[name].max() for name in ("in0", "in1")] == [0, 1]
    assert [second.inputs[name].max() for name in ("in0", "in1")] == [1, 0]
    (tmp_path / "right" / "2.bmp").rename(tmp_path / "right" / "3.bmp")
    with pytest.raises(DataError, match="input in1 has no file 2"):
        opened(data, SHAPE, SHAPE)


def test_reading_ahead_keeps_order_and_bounds() -> None:
    started: list[int] = []
    consumed = 0

    def read(item: int) -> int:
        started.append(item)
        return item * item

    for number, result in enumerate(read_ahead(read, range(50), 4)):
        consumed += 1
        assert result == number * number
        assert len(started) <= consumed + 4
    assert consumed == 50


def test_reading_ahead_works_beside_its_user() -> None:
    """The next item is read while this one is in use; nothing here depends on speed."""
    second_read = threading.Event()

    def read(item: int) -> int:
        if item == 1:
            second_read.set()
        return item

    results = read_ahead(read, range(3), 2)
    assert next(results) == 0
    assert second_read.wait(10)
    assert list(results) == [1, 2]


def reading_threads() -> int:
    """How many threads read ahead now; those of other tests may end meanwhile."""
    return sum(thread.name == "read-ahead" for thread in threading.enumerate())


def test_reading_ahead_passes_errors_on_and_ends_its_thread() -> None:
    def read(item: int) -> int:
        if item == 3:
            raise DataError("third")
        return item

    before = reading_threads()
    results = read_ahead(read, range(9), 4)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(DataError, match="third"):
        next(results)
    unfinished = read_ahead(read, range(9), 2)
    next(unfinished)
    unfinished.close()
    assert reading_threads() == before


def test_bursts_keep_order_and_read_no_more_than_one_ahead() -> None:
    started: list[int] = []

    def read(item: int) -> int:
        started.append(item)
        return item * item

    results = read_in_bursts(read, range(7), 3)
    assert started == []
    for number, read_so_far in enumerate([1, 3, 3, 6, 6, 6, 7]):
        assert next(results) == number * number
        assert started == list(range(read_so_far))
    assert list(results) == []


def test_an_error_in_a_burst_comes_after_what_was_read_before_it() -> None:
    def read(item: int) -> int:
        if item == 4:
            raise DataError("fourth")
        return item

    results = read_in_bursts(read, range(9), 3)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(DataError, match="fourth"):
        next(results)


@pytest.mark.parametrize(
    ("shape", "dtype", "count"),
    [
        ((1, 192, 192, 3), "float32", 24),  # 442,368 bytes
        ((1, 512, 512, 1), "float32", 16),  # 1 MiB of 16
        ((1, 1024, 1024, 3), "uint8", 5),  # 3 MiB of 16
        ((1, 2048, 2048, 3), "float32", 1),
        ((1, 0), "float32", 24),
    ],
)
def test_fewer_large_samples_are_held(shape: tuple[int, ...], dtype: str, count: int) -> None:
    assert at_once([Spec("x", shape, dtype)]) == count


def test_a_worker_for_each_core_reads_without_a_thread(
    tmp_path: Path, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread would have no core of its own; the samples are the same."""
    write_images(tmp_path / "in", NAMES)
    samples = opened({"images": "in"}, SHAPE)
    for cores, threads in ((2, 0), (3, 1)):
        monkeypatch.setattr("coral_action.data.samples.core_count", lambda cores=cores: cores)
        part = samples.for_worker(1, 2)
        before = reading_threads()
        reading = iter(part)
        first = next(reading)
        assert reading_threads() == before + threads
        assert [first.name, *(s.name for s in reading)] == names_of(samples.shard(1, 2))


def test_files_belong_together_by_name_whatever_their_order(tmp_path: Path, opened: Open) -> None:
    for folder, suffix in (("left", "jpg"), ("right", "tif")):
        (tmp_path / folder).mkdir()
        for name, level in (("1", 10), ("1.left", 200)):  # 1.jpg, 1.left.jpg; 1.left.tif, 1.tif
            Image.new("L", (3, 2), level).save(tmp_path / folder / f"{name}.{suffix}")
    data = {"images": {"in0": "left", "in1": "right"}}
    samples = opened(data, SHAPE, SHAPE)
    for sample in samples:
        np.testing.assert_array_equal(sample.inputs["in0"], sample.inputs["in1"])
    digests = {sample.name: sample.digest for sample in samples}
    assert digests == {
        name: samples.source.digest(i) for i, name in enumerate(samples.source.names)
    }
    Image.new("L", (3, 2)).save(tmp_path / "left" / "1.png")
    Image.new("L", (3, 2)).save(tmp_path / "right" / "1.left.png")
    with pytest.raises(DataError, match=r"input in1 has 1 file called 1, but input in0 has 2"):
        opened(data, SHAPE, SHAPE)
