"""Metrics without a value, and data that can't say what they are meant to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coral_action.config.limits_schema import LimitsConfig
from coral_action.errors import DataError
from coral_action.evaluation import Accuracy
from coral_action.evaluation.metrics.detection import detection_count
from coral_action.evaluation.metrics.kind import DetectionNames
from coral_action.evaluation.noticed import notice
from coral_action.evaluation.result import ClassLoss, Confusion, Metric, ReferenceCheck
from tests.evaluation.conftest import Case
from tests.evaluation.graphs import mixer, quantized

CALIBRATION = "source: float.tflite\n    calibration: {npy: plain.npy}"


def ids(accuracy: Accuracy) -> list[str]:
    return [finding.id for finding in accuracy.findings]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """One score: the first of two numbers."""
    base = tmp_path_factory.mktemp("scorer")
    model = mixer(base / "float.tflite", (1, 1, 2), np.array([[1.0, 0.0]]))
    ranges = dict.fromkeys(("image", "scores"), (-1.0, 1.0))
    for name, labels in (("ones", [1, 1, 1]), ("both", [1, 0, 1])):
        x = np.array([[0.9, 0], [0.2, 0], [0.8, 0]], np.float32).reshape(3, 1, 1, 2)
        np.savez(base / f"{name}.npz", x=x, y=np.array(labels))
    return Case(base, CALIBRATION, model, quantized(model, ranges, base / "int8.tflite"))


def test_one_class_has_no_roc_auc_and_the_rest_stands(scorer: Case) -> None:
    accuracy = scorer.evaluate("{npz: ones.npz}", "{accuracy_drop: 1.0}")
    assert [(m.name, m.float_value) for m in accuracy.metrics] == [("binary_accuracy", 2 / 3)]
    assert "CQ407" in ids(accuracy)
    assert Accuracy.from_json(accuracy.to_json()).asked == ("binary_accuracy", "roc_auc")
    both = scorer.evaluate("{npz: both.npz}")
    assert [m.name for m in both.metrics] == ["binary_accuracy", "roc_auc"]
    assert "CQ407" not in ids(both)


def test_a_limit_is_never_held_against_another_metric(scorer: Case) -> None:
    section = "{npz: ones.npz, metrics: [roc_auc, binary_accuracy]}"
    with pytest.raises(DataError, match=r"roc_auc is undefined .* limits\.accuracy_drop"):
        scorer.evaluate(section, "{accuracy_drop: 1.0}")
    assert [m.name for m in scorer.evaluate(section).metrics] == ["binary_accuracy"]
    with pytest.raises(DataError, match="roc_auc is undefined on these data: it needs"):
        scorer.evaluate("{npz: ones.npz, metrics: [roc_auc]}")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Three scores for each of 2 x 2 pixels."""
    base = tmp_path_factory.mktemp("segmenter")
    model = mixer(base / "float.tflite", (2, 2, 3), np.eye(3))
    ranges = dict.fromkeys(("image", "scores"), (-1.0, 1.0))
    return Case(base, CALIBRATION, model, quantized(model, ranges, base / "int8.tflite"))


def with_masks(case: Case, name: str, mask: list[list[int]]) -> str:
    x = np.eye(3, dtype=np.float32)[np.array([[[0, 1], [0, 1]]])]
    np.savez(case.base / f"{name}.npz", x=x, y=np.array([mask]))
    return f"{{npz: {name}.npz}}"


def test_masks_without_a_pixel_that_counts(segmenter: Case) -> None:
    with pytest.raises(DataError, match=r"mean_iou is undefined .*255 counts nowhere"):
        segmenter.evaluate(with_masks(segmenter, "void", [[255, 255], [255, 255]]))


def test_masks_of_0_and_255_are_noticed(segmenter: Case) -> None:
    """The commonest masks of one object; their 255 counts nowhere, as PASCAL VOC has it."""
    assert "CQ409" in ids(segmenter.evaluate(with_masks(segmenter, "binary", [[0, 255], [0, 255]])))
    assert "CQ409" not in ids(segmenter.evaluate(with_masks(segmenter, "good", [[0, 1], [0, 255]])))


def test_class_folders_that_do_not_fit_the_scores(tmp_path: Path) -> None:
    """A class without a folder shifts the numbers of those behind it."""
    model = mixer(tmp_path / "float.tflite", (1, 1, 3), np.eye(3))
    ranges = {"image": (0.0, 255.0), "scores": (0.0, 255.0)}
    config = "source: float.tflite\n    calibration: {images: data}\n    preprocess: {preset: raw}"
    case = Case(tmp_path, config, model, quantized(model, ranges, tmp_path / "int8.tflite"))
    for name, colour in (("blue", (0, 0, 255)), ("red", (255, 0, 0))):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.new("RGB", (1, 1), colour).save(tmp_path / "data" / name / "1.png")
    section = "{images: data, labels: folders}"
    (finding,) = [f for f in case.evaluate(section).findings if f.id == "CQ408"]
    assert "2 class folders, the model has 3 scores" in finding.message
    (tmp_path / "data/green").mkdir()  # the class of which there is no image
    assert "CQ408" not in ids(case.evaluate(section))


def test_a_reference_of_another_shape(segmenter: Case) -> None:
    """numpy would stretch a single value over all pixels."""
    one = mixer(segmenter.base / "one.tflite", (2, 2, 3), np.ones((1, 3)))
    section = with_masks(segmenter, "shape", [[0, 1], [0, 1]]).replace(
        "}", ", reference: one.tflite}"
    )
    assert one.outputs[0].shape == (1, 2, 2, 1)
    with pytest.raises(DataError, match=r"one\.tflite has scores of shape \[1, 2, 2, 1\]"):
        segmenter.evaluate(section)


SORTS = """
def worst(outputs, label):
    for value in outputs.values():
        value[...] = 0
    return 0.5

def percent(outputs, label):
    return 85

def leaves(outputs, label):
    raise SystemExit(0)
"""


def test_a_function_that_edits_its_arrays(scorer: Case) -> None:
    (scorer.base / "own.py").write_text(SORTS)
    own = '{python: "own.py:worst", unit: fraction}'
    section = f"{{npz: both.npz, metrics: [{own}, binary_accuracy]}}"
    accuracy = scorer.evaluate(section, allow_custom_code=True)
    assert accuracy.metrics[1].float_value == 1.0
    for name, words in (("percent", "85, which is no fraction"), ("leaves", "leaves failed: Sys")):
        with pytest.raises(DataError, match=words):
            scorer.evaluate(section.replace("worst", name), allow_custom_code=True)


def test_a_count_that_int8_moves_by_a_step() -> None:
    names = DetectionNames("b", "c", "s", "n")
    for count, expected in ((1.96, 2), (2.04, 2), (-0.02, 0), (7.3, 5)):
        outputs = {"s": np.zeros((1, 5)), "n": np.array([count], np.float32)}
        assert detection_count(outputs, names) == expected


def noticed(value: float, counts: tuple[int, ...], **more) -> list[str]:
    classes = tuple(ClassLoss(str(i), n, 1.0, 1.0) for i, n in enumerate(counts))
    table = Confusion(("0", "1"), ((0, 0), (0, 0)), ((0, 0), (0, 0)))
    result = Accuracy(
        sum(counts),
        None,
        "xnnpack",
        (Metric("top1", value, value),),
        classes=classes,
        confusion=table,
        **more,
    )
    return [finding.id for finding in notice(result, LimitsConfig())]


@pytest.mark.parametrize("counts", [(97, 3), (57, 3), (18, 2), (2, 1), (1, 1), (50, 50)])
def test_a_perfect_model_is_never_called_chance(counts: tuple[int, ...]) -> None:
    assert noticed(1.0, counts) == []
    assert noticed(max(counts) / sum(counts), counts) == ["CQ405"]


def test_a_reference_that_never_agrees() -> None:
    check = ReferenceCheck("original", 20, 0.0, 0.99999, 1e-3)
    assert noticed(1.0, (10, 10), reference_check=check) == ["CQ403"]
