"""Any split of the samples joins to the same result as one run, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coral_action.errors import DataError, UsageError
from coral_action.evaluation import Gathered, Shard, ShardFile, join, score

from .measured import BY_TASK, MadeUp

made_up = st.builds(
    MadeUp,
    task=st.sampled_from(sorted(BY_TASK)),
    count=st.integers(1, 24),
    seed=st.integers(0, 2**32),
    bad=st.frozensets(st.integers(1, 23), max_size=3),
)


def assert_same(found: Gathered, wanted: Gathered) -> None:
    """Every number of every sample, bit by bit."""
    ours, theirs = found.columns.arrays(), wanted.columns.arrays()
    assert ours.keys() == theirs.keys()
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype, name
        assert array.tobytes() == theirs[name].tobytes(), name
    ours_, theirs_ = found.facts(), wanted.facts()
    pictures = theirs_.pop("thumbnails")
    # Each job keeps those of its own worst samples; the worst of all are among them.
    assert pictures.items() <= ours_.pop("thumbnails").items()
    assert ours_["class_names"] == theirs_["class_names"]
    assert ours_ == theirs_


@given(made_up, st.data())
def test_any_split_joins_to_the_whole(case: MadeUp, data: st.DataObject) -> None:
    """Not only every n-th sample: any part to any job, in any order, some jobs without any."""
    jobs = data.draw(st.lists(st.integers(0, 5), min_size=case.count, max_size=case.count))
    order = data.draw(st.permutations(range(6)))
    parts = [case.part(i for i in range(case.count) if jobs[i] == job) for job in order]
    assert_same(join(parts), case.part(range(case.count)))


@pytest.mark.parametrize("task", sorted(BY_TASK))
@settings(max_examples=2)
@given(seed=st.integers(0, 2**32), shards=st.integers(2, 7))
def test_scores_and_intervals_are_those_of_one_run(task: str, seed: int, shards: int) -> None:
    case = MadeUp(task, 20, seed, frozenset({3}))
    parts = [case.part(range(20)[i::shards]) for i in range(shards)]
    found = score(case.scoring, join(parts))
    wanted = score(case.scoring, case.part(range(20)))
    assert found == wanted
    assert [metric.name for metric in found.metrics] == list(BY_TASK[task])
    assert any(metric.interval is not None for metric in found.metrics)


@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=20)
def test_counts_are_those_of_the_outputs(seed: int, shards: int) -> None:
    """Against numpy alone: the confusion of each model, hits, and what changed."""
    case = MadeUp("classes", 23, seed)
    joined = join([case.part(range(23)[i::shards]) for i in range(shards)])
    found = score(case.scoring, joined)
    labels = np.array([case.truth(i) for i in range(23)])
    chosen = [
        np.array([int(case.outputs(i, model)["out"].argmax()) for i in range(23)])
        for model in (0, 1)
    ]
    assert found.confusion is not None and found.flips is not None
    for table, classes in zip(
        (found.confusion.float_counts, found.confusion.int8_counts), chosen, strict=True
    ):
        size = len(table)
        wanted = np.zeros((size, size), int)
        np.add.at(wanted, (labels, classes), 1)
        assert np.array_equal(wanted, table)
    right = [classes == labels for classes in chosen]
    assert found.metrics[0].float_value * 23 == pytest.approx(right[0].sum())
    assert found.flips.lost == (right[0] & ~right[1]).sum()
    assert found.flips.gained == (~right[0] & right[1]).sum()


@pytest.mark.parametrize("task", sorted(BY_TASK))
def test_a_shard_crosses_as_a_file(task: str, tmp_path: Path) -> None:
    case = MadeUp(task, 9, 5, frozenset({4}))
    whole = ShardFile(case.scoring, case.part(range(9)), case.part(range(3)).statistics)
    whole.write(tmp_path / "s.npz")
    again = ShardFile.read(tmp_path / "s.npz")
    assert again.gathered is not None and whole.gathered is not None
    assert_same(again.gathered, whole.gathered)
    assert (again.scoring, again.calibration) == (whole.scoring, whole.calibration)


def test_shards_without_samples_cross_as_files(tmp_path: Path) -> None:
    case = MadeUp("classes", 9, 5, frozenset({4}))
    for gathered in (None, case.part([]), case.part([4])):
        file = ShardFile(case.scoring, gathered, None)
        file.write(tmp_path / "s.npz")
        assert ShardFile.read(tmp_path / "s.npz") == file


@pytest.mark.parametrize("damage", ["cut", "empty", "other", "bits"])
def test_a_damaged_file_is_one_line(damage: str, tmp_path: Path) -> None:
    case, path = MadeUp("classes", 9, 5), tmp_path / "a.shard-1-of-2.npz"
    ShardFile(case.scoring, case.part(range(9)), None).write(path)
    data = path.read_bytes()
    middle = len(data) // 2
    path.write_bytes(
        {
            "cut": data[:middle],
            "empty": b"",
            "other": b"no archive",
            "bits": data[:200] + bytes(b ^ 255 for b in data[200:260]) + data[260:],
        }[damage]
    )
    with pytest.raises(DataError, match=r"a\.shard-1-of-2\.npz: no results of a shard"):
        ShardFile.read(path)


def test_what_can_not_be_joined() -> None:
    case = MadeUp("classes", 10, 1)
    with pytest.raises(ValueError, match="twice"):
        join([case.part(range(6)), case.part(range(5, 10))])
    with pytest.raises(DataError, match="different metrics"):
        join([case.part(range(5)), MadeUp("score", 10, 1).part(range(5, 10))])
    broken = MadeUp("classes", 3, 1, frozenset({0, 1, 2}))
    with pytest.raises(DataError, match="none of 3 files can be decoded"):
        join([broken.part([0, 2]), broken.part([1])])
    with pytest.raises(DataError, match="no samples"):
        join([case.part([]), case.part([])])


@given(st.integers(1, 256), st.data())
def test_shards_as_text(count: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, count))
    shard = Shard.parse(f"{index}/{count}")
    assert (shard.index, shard.count, str(shard)) == (index, count, f"{index}/{count}")


@pytest.mark.parametrize("text", ["", "1", "5/4", "0/0", "1/257", "-1/4", "1/4/2", "a/b", "1 / 4"])
def test_what_is_no_shard(text: str) -> None:
    with pytest.raises(UsageError, match="shard"):
        Shard.parse(text)
