"""Labels in the forms that people save them in, and what each means to a model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coral_action.errors import DataError
from coral_action.evaluation import Accuracy
from coral_action.evaluation.truth import fitting
from tests.evaluation.conftest import Case
from tests.evaluation.graphs import mixer, quantized

CALIBRATION = "source: float.tflite\n    calibration: {npy: plain.npy}"


@pytest.fixture(scope="module")
def regressor(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The sum of two numbers."""
    base = tmp_path_factory.mktemp("regressor")
    model = mixer(base / "float.tflite", (1, 1, 2), np.array([[1.0, 1.0]]))
    int8 = quantized(model, {"image": (0, 64), "scores": (0, 128)}, base / "int8.tflite")
    return Case(base, CALIBRATION, model, int8)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """The larger one of two numbers."""
    base = tmp_path_factory.mktemp("classifier")
    model = mixer(base / "float.tflite", (1, 1, 2), np.eye(2))
    ranges = dict.fromkeys(("image", "scores"), (-1.0, 1.0))
    return Case(base, CALIBRATION, model, quantized(model, ranges, base / "int8.tflite"))


def evaluate(case: Case, name: str, x: np.ndarray, y: np.ndarray, more: str = "") -> Accuracy:
    np.savez(case.base / f"{name}.npz", x=x.reshape(-1, 1, 1, 2).astype(np.float32), y=y)
    return case.evaluate(f"{{npz: {name}.npz{more}}}")


X = np.array([[1.0, 2.0], [20.0, 14.0], [7.0, 0.0]])


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
@pytest.mark.parametrize("offset", [0.0, 0.5, -50.0])
def test_values_of_a_regression(regressor: Case, shape: tuple[int, ...], offset: float) -> None:
    """Ages and prices are whole numbers and no classes; the float model is off by the offset."""
    y = (X.sum(axis=1) - offset).astype(np.float32).reshape(shape)
    (metric,) = evaluate(regressor, "values", X, y).metrics
    assert metric.name == "mae"
    assert metric.float_value == pytest.approx(abs(offset), abs=1e-5)


def test_a_value_that_is_not_there(regressor: Case) -> None:
    y = np.array([3.0, np.nan, 7.0], np.float32)
    with pytest.raises(DataError, match=r"gap\.npz\[1\]: y holds NaN"):
        evaluate(regressor, "gap", X, y)


CHOICES = np.array([[0.9, 0.1], [0.1, 0.9], [0.2, 0.8], [0.7, 0.1]])


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 1, 1, 1]),
        np.array([0.0, 1.0, 1.0, 1.0]),
        np.array([[0], [1], [1], [1]], np.float32),
        np.array([[1, 0], [0, 1], [0, 1], [0, 1]], np.float32),
    ],
    ids=["integers", "floats", "column", "one among zeros"],
)
def test_classes_in_every_form(classifier: Case, y: np.ndarray) -> None:
    metric = evaluate(classifier, "classes", CHOICES, y).metrics[0]
    assert metric.unit == "fraction"
    assert metric.float_value == 0.75


@pytest.mark.parametrize(
    ("label", "shape", "expected"),
    [
        (np.array(7.0, np.float32), (1, 10), 7),
        (np.array(7.5, np.float32), (1, 10), 7.5),
        (np.array(7.0, np.float32), (1, 1), np.array(7.0)),
        (np.ones((2, 3, 1), np.int32), (1, 2, 3, 1), np.ones((2, 3))),
        (np.ones((2, 3), np.float32), (1, 2, 3, 4), np.ones((2, 3))),
        (np.full((2, 3), 0.5, np.float32), (1, 2, 3, 1), np.full((2, 3), 0.5)),
        (3, (1, 10), 3),
        (None, (1, 10), None),
    ],
)
def test_what_a_label_means(label: object, shape: tuple[int, ...], expected: object) -> None:
    found = fitting(label, shape)
    if isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected
        assert isinstance(found, int) == isinstance(expected, int)


@pytest.mark.parametrize("dtype", ["int64", "float32"])
def test_masks_as_keras_has_them(tmp_path: Path, dtype: str) -> None:
    """(samples, height, width, 1), integers or floats, are what (samples, height, width) is."""
    model = mixer(tmp_path / "float.tflite", (2, 2, 3), np.eye(3))
    ranges = dict.fromkeys(("image", "scores"), (-1.0, 1.0))
    case = Case(tmp_path, CALIBRATION, model, quantized(model, ranges, tmp_path / "i.tflite"))
    x = np.eye(3, dtype=np.float32)[np.array([[[0, 1], [2, 0]]])]
    y = np.array([[[0, 1], [2, 2]]])  # the last pixel is wrong
    np.savez(tmp_path / "d.npz", x=x, y=y[..., np.newaxis].astype(dtype))
    (metric,) = case.evaluate("{npz: d.npz}").metrics
    assert metric.name == "mean_iou"
    assert metric.float_value == pytest.approx((1 / 2 + 1 + 1 / 2) / 3)
