"""A source that is integer already: its own figures, and no loss where nothing is compared."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from coral_action.config.limits_schema import LimitsConfig
from coral_action.config.loader import parse_config
from coral_action.config.paths import PathRules
from coral_action.errors import DataError
from coral_action.evaluation import Accuracy, evaluate
from coral_action.loading import FloatModel
from coral_action.loading.float_model import interface_of
from coral_action.report import html, markdown
from coral_action.report.build import accuracy_data
from coral_action.report.formats import FORMATS, renderer
from coral_action.report.limits import check_limits
from coral_action.report.model import LimitData, MetricData, Report
from coral_action.tflite import read_model
from tests.evaluation.graphs import mixer, quantized

WEIGHTS = np.array([[1.0, 0.0], [0.0, 1.0]])


class Integer:
    """Two channels in, the same two out; two samples are told apart by less than a step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.float = mixer(folder / "float.tflite", (1, 1, 2), WEIGHTS)
        ranges = dict.fromkeys(("image", "scores"), (-1.0, 1.0))  # steps of 2 / 255
        self.path = quantized(self.float, ranges, folder / "int8.tflite")
        self.model = FloatModel(
            self.path, "tflite", **interface_of(read_model(self.path)), already_quantized=True
        )
        # Sure, sure, and 0.002 apart: a tie in int8, which goes to class 0.
        self.x = np.array([[0.9, 0.1], [0.2, 0.7], [0.5, 0.502]], np.float32).reshape(3, 1, 1, 2)
        np.savez(folder / "data.npz", image=self.x, y=np.array([0, 1, 1]))
        np.save(folder / "plain.npy", self.x)

    def evaluate(self, evaluation: str, limits: str = "{}") -> Accuracy:
        text = (
            "version: 1\nmodels:\n  - name: case\n    source: int8.tflite\n"
            f"    calibration: {{npy: plain.npy}}\n    evaluation: {evaluation}\n"
            f"    limits: {limits}\n"
        )
        config = parse_config(text, "coral.yml").models[0]
        return evaluate(config, self.model, self.path, PathRules(self.folder), workers=2)


@pytest.fixture(scope="module")
def integer(tmp_path_factory: pytest.TempPathFactory) -> Integer:
    return Integer(tmp_path_factory.mktemp("integer"))


@pytest.fixture(scope="module")
def alone(integer: Integer) -> Accuracy:
    return integer.evaluate("{npz: data.npz, metrics: [top1]}", "{accuracy_drop: 1.0}")


def test_its_own_accuracy_on_real_valued_samples(alone: Accuracy) -> None:
    (metric,) = alone.metrics
    assert metric.int8_value == pytest.approx(2 / 3)  # the tie is lost
    assert (metric.float_value, metric.drop) == (None, None)
    assert (metric.interval, metric.p_value) == (None, None)


def test_nothing_is_said_of_a_comparison(alone: Accuracy) -> None:
    assert alone.reference == "none"
    assert alone.samples == 3
    assert (alone.agreement, alone.flips, alone.confusion) == (None, None, None)
    assert (alone.outputs, alone.classes, alone.reference_check) == ((), (), None)
    assert not alone.structural


def test_a_limit_that_could_not_be_checked_is_warned_about(
    alone: Accuracy, integer: Integer
) -> None:
    assert [(f.id, f.severity) for f in alone.findings] == [("CQ406", "warning")]
    assert "limits.accuracy_drop was not checked" in alone.findings[0].message
    (finding,) = integer.evaluate("{npz: data.npz}").findings
    assert (finding.id, finding.severity) == ("CQ406", "info")


def test_a_reference_that_is_named_is_compared_with(integer: Integer) -> None:
    shutil.copyfile(integer.float.path, integer.folder / "reference.tflite")
    accuracy = integer.evaluate("{npz: data.npz, metrics: [top1], reference: reference.tflite}")
    (metric,) = accuracy.metrics
    assert metric.float_value == pytest.approx(1.0)
    assert metric.int8_value == pytest.approx(2 / 3)
    assert metric.drop == pytest.approx(100 / 3)
    assert accuracy.agreement == pytest.approx(2 / 3)
    assert accuracy.reference_check is None  # there is no float .tflite beside it
    assert accuracy.flips is not None
    assert [flip.sample for flip in accuracy.flips.worst] == ["data.npz[2]"]


def test_neither_labels_nor_reference(integer: Integer) -> None:
    with pytest.raises(DataError, match="there is nothing to measure"):
        integer.evaluate("{npy: plain.npy}")


def test_the_report_shows_a_dash(alone: Accuracy) -> None:
    data = accuracy_data(alone)
    (metric,) = data.metrics
    assert metric == MetricData(name="top1", int8=2 / 3)
    limits = LimitsConfig.model_validate({"accuracy_drop": 1.0})
    (limit,) = check_limits(limits, sizes=None, placement=None, accuracy=data)
    assert limit == LimitData(name="accuracy_drop", limit=1.0, passed=False)
    plain = {"name": "a", "status": "ok", "source": {"path": "a.tflite"}}
    plain["accuracy"] = data.model_dump(mode="json", by_alias=True, exclude_none=True)
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": [plain]})
    assert "float" not in report.to_json()["models"][0]["accuracy"]["metrics"][0]
    text = markdown.render(report)
    assert "– → 66.67 %" in text  # noqa: RUF001
    assert "There is no float model to compare with" in text
    page = html.render(report)
    assert "no float model to compare with" in page
    for shown in (text, page):
        assert "0.00" not in shown
        assert "None" not in shown


def test_limit_that_cannot_be_checked() -> None:
    """It has not passed, and every format says why."""
    limits = [{"name": "accuracy_drop", "limit": 1.0, "passed": False}]
    plain = {"name": "a", "status": "limit_exceeded", "source": {"path": "a"}, "limits": limits}
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": [plain]})
    assert report.exit_code == 1
    assert report.to_json()["models"][0]["limits"] == limits
    shown = {name: renderer(name)(report) for name in FORMATS}
    why = "there is no float model to hold int8 against"
    for name in ("markdown", "terminal", "junit", "sarif", "annotations"):
        assert why in shown[name], name
    assert "accuracy drop unknown (limit 1.00 points)" in shown["html"]
