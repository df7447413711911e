"""Rows across workers, flips, findings, thumbnails: the parts between samples and report."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coral_action.config.limits_schema import LimitsConfig
from coral_action.evaluation.columns import Columns, merge
from coral_action.evaluation.flips import SHOWN, class_losses, confusion, flips
from coral_action.evaluation.noticed import is_structural, notice
from coral_action.evaluation.result import (
    Accuracy,
    Confusion,
    KernelCheck,
    Metric,
    OutputError,
    ReferenceCheck,
)
from coral_action.evaluation.stored import OutputWriter, StoredOutputs
from coral_action.evaluation.summary import output_errors
from coral_action.evaluation.thumbnails import thumbnail
from coral_action.report.build import accuracy_data
from coral_action.report.limits import check_limits
from coral_action.workers import worker_count


def columns_of(count: int, start: int = 0, step: int = 1) -> Columns:
    columns = Columns(ragged={"boxes"})
    for i in range(start, count, step):
        rows = {"a": np.array([i, -i]), "boxes": np.full((i % 3, 2), i)}
        columns.add(i, f"{i:03}", i % 5, rows)
    return columns


@given(st.integers(1, 30), st.integers(1, 9))
def test_merging_puts_samples_back_in_order(count: int, workers: int) -> None:
    shards = [columns_of(count, i, workers) for i in range(workers)]
    merged, whole = merge([s for s in shards if len(s)]), columns_of(count)
    assert merged.names == whole.names
    assert merged.labels == whole.labels
    assert np.array_equal(merged.stacked("a"), whole.stacked("a"))
    assert all(map(np.array_equal, merged.stacked("boxes"), whole.stacked("boxes")))


def test_merging_where_samples_are_missing() -> None:
    """A sample that could not be read leaves a gap, and the others where they are."""
    orders = []
    for workers in (1, 2, 3):
        shards = [columns_of(10, i, workers) for i in range(workers)]
        for shard in shards:
            if 4 in shard.positions:
                place = shard.positions.index(4)
                lists = (shard.positions, shard.names, shard.labels, *shard.values.values())
                for one in lists:
                    one.pop(place)
        orders.append(merge(shards).names)
    assert orders == [[f"{i:03}" for i in range(10) if i != 4]] * 3


def test_a_sample_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        merge([columns_of(10, 0, 2), columns_of(10, 0, 2)])


def test_columns_cross_as_a_file(tmp_path: Path) -> None:
    columns = columns_of(7)
    columns.save(tmp_path / "rows.npz")
    again = Columns.load(tmp_path / "rows.npz")
    assert (again.positions, again.names, again.labels, again.ragged) == (
        columns.positions,
        columns.names,
        columns.labels,
        columns.ragged,
    )
    assert np.array_equal(again.stacked("a"), columns.stacked("a"))
    assert all(map(np.array_equal, again.stacked("boxes"), columns.stacked("boxes")))


def choices(rows: list[tuple[int, int, int, float]]) -> Columns:
    """From (label, float's choice, int8's choice, loss)."""
    columns = Columns()
    for i, (label, first, second, loss) in enumerate(rows):
        row = np.array([first, second, 0.9, 0.8, loss])
        columns.add(i, f"s{i}", label, {"choices": row})
    return columns


ROWS = [
    (0, 0, 0, 0.0),
    (0, 0, 1, 0.2),  # lost
    (0, 0, 2, 0.7),  # lost, worse
    (1, 0, 1, 0.9),  # gained
    (1, 1, 1, 0.0),
    (2, 0, 1, 0.8),  # changed, wrong both times
]


def test_flips_worst_first() -> None:
    found = flips(choices(ROWS), {0: "cat", 1: "dog"}, {"s2": "data:"})
    assert found is not None
    assert (found.lost, found.gained, found.changed) == (2, 1, 1)
    assert [(f.sample, f.kind) for f in found.worst] == [
        ("s2", "lost"),
        ("s1", "lost"),
        ("s5", "changed"),
        ("s3", "gained"),
    ]
    worst = found.worst[0]
    assert (worst.label, worst.float_choice, worst.int8_choice) == ("cat", "cat", "2")
    assert (worst.thumbnail, found.worst[1].thumbnail) == ("data:", None)
    many = flips(choices([(0, 0, 1, i / 100) for i in range(40)]), {}, {})
    assert many is not None and many.lost == 40 and len(many.worst) == SHOWN


def test_flips_without_labels() -> None:
    found = flips(choices([(-1, 0, 1, 0.1), (-1, 1, 1, 0)]), {}, {})
    assert found is not None and (found.lost, found.gained, found.changed) == (0, 0, 1)
    assert found.worst[0].label is None
    assert class_losses(choices([(-1, 0, 1, 0.1)]), {}) == ()


def test_classes_that_lost_most_first() -> None:
    first, second, third = class_losses(choices(ROWS), {0: "cat"})
    assert (first.name, first.samples, first.float_recall) == ("cat", 3, 1.0)
    assert first.int8_recall == pytest.approx(1 / 3)
    assert first.drop == pytest.approx(200 / 3)
    assert (second.name, second.drop) == ("2", 0)
    assert (third.name, third.drop) == ("1", -50)
    table = confusion(choices(ROWS), {0: "cat"})
    assert table is not None and table.classes == ("cat", "1", "2")
    assert table.float_counts == ((3, 0, 0), (1, 1, 0), (1, 0, 0))
    assert table.int8_counts == ((1, 1, 1), (0, 2, 0), (0, 1, 0))


def test_sqnr_over_all_samples() -> None:
    columns = Columns()
    for i, (signal, noise) in enumerate(((4.0, 0.5), (6.0, 0.5))):
        rows = np.array([[signal, noise, 1.0, 0.1], [1.0, 0.0, 1.0, 0.0]])
        columns.add(i, "x", 0, {"errors": rows})
    noisy, clean = output_errors(columns, ["a", "b"])
    assert noisy.sqnr_db == pytest.approx(10.0)
    assert clean.sqnr_db is None


def accuracy(drop: float, agreement: float | None = 0.99, **more) -> Accuracy:
    metric = Metric("top1", 0.9, 0.9 - drop / 100, interval=(drop - 1, drop + 1), p_value=0.5)
    values = {"metrics": (metric,), "outputs": (OutputError("o", 0.99, 30.0, 0.1),), **more}
    return Accuracy(samples=200, agreement=agreement, kernels="xnnpack", **values)


def ids(result: Accuracy, limits: LimitsConfig | None = None) -> list[str]:
    return [finding.id for finding in notice(result, limits or LimitsConfig())]


@pytest.mark.parametrize(
    ("drop", "agreement", "expected"),
    [(4.9, 0.9, False), (5.1, 0.9, True), (0.0, 0.79, True), (0.0, 0.8, False), (0.0, None, False)],
)
def test_structural(drop: float, agreement: float | None, expected: bool) -> None:
    result = accuracy(drop, agreement)
    assert is_structural(result) is expected
    assert ("CQ401" in ids(result)) is expected


def test_structural_for_numbers_goes_by_the_outputs() -> None:
    error = Metric("mae", 1.0, 100.0, unit="value", higher_is_better=False)
    assert not is_structural(accuracy(0, None, metrics=(error,)))
    far = (OutputError("o", 0.94, 3.0, 9.0),)
    assert is_structural(accuracy(0, None, metrics=(error,), outputs=far))


def test_findings_of_checks() -> None:
    assert ids(accuracy(1)) == []
    check = KernelCheck("builtin", "xnnpack", 200, 3, 0.1)
    assert ids(accuracy(1, kernel_check=check)) == ["CQ402"]
    same = ReferenceCheck("original", 200, 1.0, 1.0, 1e-6)
    other = ReferenceCheck("original", 200, 0.5, 0.8, 3.0)
    assert ids(accuracy(1, reference_check=same)) == []
    assert ids(accuracy(1, reference_check=other)) == ["CQ403"]


def test_finding_of_too_few_samples() -> None:
    limits = LimitsConfig.model_validate({"accuracy_drop": 1.0})
    assert ids(accuracy(1.5), limits) == ["CQ404"]
    assert ids(accuracy(0.5), limits) == []  # within the limit
    assert ids(accuracy(4.0), limits) == []  # certainly above


@pytest.mark.parametrize(("correct", "passed"), [(94, True), (93, False)])
def test_a_loss_that_is_the_limit_passes(correct: int, passed: bool) -> None:
    """95 of 100 less 94 of 100 is 1 point, by floats 1.0000000000000009."""
    limits = LimitsConfig.model_validate({"accuracy_drop": 1.0})
    found = accuracy(0, metrics=(Metric("top1", 0.95, correct / 100, interval=(-2.0, 4.0)),))
    (limit,) = check_limits(limits, sizes=None, placement=None, accuracy=accuracy_data(found))
    assert limit.passed is passed
    assert ids(found, limits) == ([] if passed else ["CQ404"])


def test_finding_of_a_float_model_that_is_no_better_than_chance() -> None:
    from coral_action.evaluation.result import ClassLoss

    classes = tuple(ClassLoss(str(i), 100, 0.5, 0.5) for i in range(2))
    table = Confusion(("0", "1"), ((50, 50), (50, 50)), ((50, 50), (50, 50)))
    chance = accuracy(0, metrics=(Metric("top1", 0.52, 0.52),), classes=classes, confusion=table)
    assert ids(chance) == ["CQ405"]
    assert ids(accuracy(0, classes=classes, confusion=table)) == []


def pixels(uri: str | None) -> np.ndarray:
    assert uri is not None and uri.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_thumbnails() -> None:
    values = np.linspace(-1, 1, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    shown = pixels(thumbnail({"vector": np.zeros((1, 9)), "image": values}))
    assert shown.shape == (8, 8, 3)
    assert np.abs(shown - (values[0] + 1) * 127.5).max() <= 0.5 + 1e-4
    assert pixels(thumbnail({"x": np.zeros((1, 200, 100, 1))})).shape == (96, 48)
    assert thumbnail({"vector": np.zeros((1, 9)), "deep": np.zeros((1, 8, 8, 5))}) is None


def test_outputs_are_found_by_name(tmp_path: Path) -> None:
    writer = OutputWriter(
        tmp_path, {"a": (1, 2), "b": (2, 2), "c": ()}, 5
    )  # two of five were readable
    for i in range(2):
        writer.add(
            f"s{i}", {"a": np.full((1, 2), i), "b": np.full((2, 2), i + 0.5), "c": np.float32(i)}
        )
    writer.close()
    stored = StoredOutputs(tmp_path)
    found = stored.get("s1")
    assert found is not None
    assert found["a"].tolist() == [[1, 1]]
    assert found["b"].tolist() == [[1.5, 1.5], [1.5, 1.5]]
    assert found["c"].tolist() == 1
    assert stored.get("s4") is None


def test_worker_count() -> None:
    assert worker_count(1) == 1
    assert 1 <= worker_count() <= 16
    assert worker_count(10_000) == worker_count()
