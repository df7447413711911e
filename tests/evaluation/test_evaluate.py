"""Whole evaluations: options, references, kernels, labels of every kind, whatever the workers."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coral_action.config.paths import PathRules
from coral_action.errors import CoralQuantizeError, DataError, UsageError
from coral_action.evaluation import Accuracy, Scoring, Shard, evaluate_shard, join, score

from .conftest import Case
from .graphs import detector, mixer, quantized

CALIBRATION = "source: unused.pb\n    calibration: {npy: unused.npy}"


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Scores of three classes for each of 2 x 2 pixels; a step of int8 is 1/127.5."""
    base = tmp_path_factory.mktemp("segmenter")
    model = mixer(base / "float.tflite", (2, 2, 3), np.eye(3))
    int8 = quantized(model, {"image": (-1, 1), "scores": (-1, 1)}, base / "int8.tflite")
    near = [0.5, 0.503, 0.0]  # one step apart at most: both become 64, and the lower class wins
    x = np.array(
        [
            [[[0.9, 0, 0], [0, 0.9, 0]], [near, [0, 0, 0.9]]],
            [[[0.9, 0, 0], [0, 0, 0.9]], [near, near]],
        ]
    )
    y = np.array([[[0, 1], [1, 2]], [[0, 255], [1, 0]]])
    np.savez(base / "masks.npz", x=x.astype(np.float32), y=y)
    np.savez(base / "numbers.npz", x=x.astype(np.float32), y=x.astype(np.float32) + 0.25)
    np.savez(base / "unlabelled.npz", x=x.astype(np.float32))
    return Case(base, CALIBRATION, model, int8)


def test_segmentation_by_hand(segmenter: Case) -> None:
    accuracy = segmenter.evaluate("{npz: masks.npz}")
    (metric,) = accuracy.metrics
    assert metric.name == "mean_iou"
    # Float: class 0 both 2, union 2 + 2 + ... see the pixels: chosen [0 1 / 1 2], [0 - / 1 1].
    # Class 0: both 2, labels 3, chosen 2. Class 1: both 3, labels 3, chosen 4. Class 2: all 1.
    assert metric.float_value == pytest.approx((2 / 3 + 3 / 4 + 1) / 3)
    # int8 chooses 0 for every near pixel: [0 1 / 0 2], [0 - / 0 0].
    # Class 0: both 3, labels 3, chosen 5. Class 1: both 1, labels 3, chosen 1. Class 2: all 1.
    assert metric.int8_value == pytest.approx((3 / 5 + 1 / 3 + 1) / 3)
    assert accuracy.agreement == pytest.approx(5 / 8)  # three of eight pixels changed
    assert accuracy.structural
    assert accuracy.flips is None
    assert accuracy.confusion is None


@pytest.fixture
def pictures(segmenter: Case, tmp_path: Path) -> Case:
    """Five pictures for the segmenter, the first of which can't be decoded."""
    rng = np.random.default_rng(0)
    for name in "abcde":
        for folder, size in (("in", (2, 2, 3)), ("masks", (2, 2))):
            path = tmp_path / folder / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            high = 256 if folder == "in" else 3
            Image.fromarray(rng.integers(0, high, size, dtype=np.uint8)).save(path)
    (tmp_path / "in" / "a.png").write_bytes(b"")
    config = "source: unused.pb\n    calibration: {npy: unused.npy}\n    preprocess: {preset: 0-1}"
    return Case(tmp_path, config, segmenter.model, segmenter.int8)


PICTURES = "{images: in, masks: masks, max_bad_files: 1}"


def test_the_first_file_may_be_bad(pictures: Case) -> None:
    """What the labels are is seen from the first sample that can be read."""
    accuracy = pictures.evaluate(PICTURES)
    assert [metric.name for metric in accuracy.metrics] == ["mean_iou"]
    assert accuracy.samples == 4
    assert accuracy.statistics is not None
    assert [bad.name for bad in accuracy.statistics.bad_files] == ["a.png"]
    with pytest.raises(DataError, match=r"a\.png"):
        pictures.evaluate("{images: in, masks: masks}")


@pytest.mark.parametrize("count", [2, 5])
def test_shards_join_to_the_whole(count: int, pictures: Case) -> None:
    """Of five shards, one has nothing but the bad file."""
    config, rules = pictures.parse(PICTURES), PathRules(pictures.base)
    parts = [
        evaluate_shard(config, pictures.model, pictures.int8, rules, Shard(index, count))
        for index in range(1, count + 1)
    ]
    joined = score(Scoring.of(config, pictures.model), join(parts))
    assert joined == pictures.evaluate(PICTURES)


def test_regression(segmenter: Case) -> None:
    accuracy = segmenter.evaluate("{npz: numbers.npz, metrics: [mae, mse]}")
    mae, mse = accuracy.metrics
    assert mae.float_value == pytest.approx(0.25, abs=1e-6)
    assert mse.float_value == pytest.approx(0.0625, abs=1e-6)
    assert (mae.unit, mae.higher_is_better) == ("value", False)
    assert mae.drop == mae.int8_value - mae.float_value
    assert mae.interval is not None and mae.interval[0] <= mae.drop <= mae.interval[1]
    assert accuracy.agreement is None
    assert segmenter.evaluate("{npz: numbers.npz}").metrics == (mae,)


def test_without_labels(segmenter: Case) -> None:
    accuracy = segmenter.evaluate("{npz: unlabelled.npz}")
    (metric,) = accuracy.metrics
    (output,) = accuracy.outputs
    with np.load(segmenter.base / "unlabelled.npz") as data:
        x = data["x"].astype(np.float64)
    # The model hands its input on; int8 rounds it to steps of 2 / 255, zero point 0 or -1.
    low = quantized_values(segmenter, x)
    noise = ((x - low) ** 2).sum()
    cosines = [
        (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()) for a, b in zip(x, low, strict=True)
    ]
    assert metric.name == "cosine"
    assert (metric.float_value, metric.int8_value) == pytest.approx((1, np.mean(cosines)), abs=1e-9)
    assert output.sqnr_db == pytest.approx(10 * np.log10((x**2).sum() / noise), abs=1e-3)
    assert output.largest_error == pytest.approx(np.abs(x - low).max(), abs=1e-6)
    assert accuracy.flips is None and accuracy.classes == ()


def quantized_values(case: Case, x: np.ndarray) -> np.ndarray:
    """What int8 makes of values, by the scale and zero point in the file."""
    from coral_action.tflite import read_model

    model = read_model(case.int8)
    (tensor,) = (model.tensors[index] for index in model.outputs)
    scale, zero_point = tensor.scales[0], tensor.zero_points[0]
    return (np.clip(np.rint(x / scale) + zero_point, -128, 127) - zero_point) * scale


@pytest.fixture(scope="session")
def detection(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """Three anchors, two classes; encodings of zero put a box on its anchor."""
    base = tmp_path_factory.mktemp("detection")
    anchors = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5]])
    model = detector(base / "float.tflite", anchors, 2, 3)
    name = "encodings_and_scores"
    ranges = dict.fromkeys((name, "encodings", "scores"), (-1.0, 1.0))
    int8 = quantized(model, ranges, base / "int8.tflite")
    x = np.zeros((2, 3, 6), dtype=np.float32)
    x[0, 0, 4:] = [0.9, 0.1]  # upper left, class 0: right
    x[0, 1, 4:] = [0.500, 0.502]  # lower right: class 1 in float, class 0 in int8 (a tie)
    x[1, 2, 4:] = [0.8, 0.1]  # upper right, class 0: right
    np.savez(base / "data.npz", x=x)
    (base / "boxes.csv").write_text(
        "file,class,ymin,xmin,ymax,xmax\n"
        "data.npz[0],0,0,0,0.5,0.5\ndata.npz[0],1,0.5,0.5,1,1\ndata.npz[1],0,0,0.5,0.5,1\n"
    )
    return Case(base, CALIBRATION, model, int8)


def test_detection_by_hand(detection: Case) -> None:
    accuracy = detection.evaluate("{npz: data.npz, boxes: boxes.csv}")
    (metric,) = accuracy.metrics
    assert metric.name == "map"
    # Float: all three boxes, by falling score before any wrong one.
    assert metric.float_value == pytest.approx(1.0)
    # int8: class 0 still finds both boxes (0.9, 0.8) before the wrong 0.5; class 1 finds nothing.
    assert metric.int8_value == pytest.approx(0.5)
    assert metric.drop == pytest.approx(50)
    assert accuracy.agreement is None
    assert [f.id for f in accuracy.findings] == ["CQ401"]


def test_detection_outputs_by_name(detection: Case) -> None:
    named = (
        "detection: {boxes: detection_boxes, classes: detection_classes, "
        "scores: detection_scores, count: num_detections}"
    )
    accuracy = detection.evaluate(f"{{npz: data.npz, boxes: boxes.csv, {named}}}")
    assert accuracy.metrics[0].int8_value == pytest.approx(0.5)
    with pytest.raises(DataError, match="no output named boxes"):
        detection.evaluate(
            "{npz: data.npz, boxes: boxes.csv, detection: {boxes: boxes, classes: b, scores: c}}"
        )


def test_detection_needs_every_image(detection: Case) -> None:
    (detection.base / "some.csv").write_text("data.npz[1],0,0,0.5,0.5,1\n")
    with pytest.raises(DataError, match=r"some.csv does not list data.npz\[0\]"):
        detection.evaluate("{npz: data.npz, boxes: some.csv}")


@pytest.mark.parametrize("workers", [1, 3, 500])
def test_workers_change_nothing(kws: Case, workers: int) -> None:
    if workers == 500:  # more than samples: some have none
        workers = 21
        np.savez(kws_few(kws), **_first(kws, 20))
        evaluation = f"{{npz: {kws_few(kws)}, metrics: [top1, top5, recall, cosine]}}"
    else:
        evaluation = "{npz: evaluation.npz, metrics: [top1, top5, recall, cosine]}"
    one, other = (asdict(kws.evaluate(evaluation, workers=count)) for count in (workers, 2))
    for result in (one, other):
        result.pop("statistics", None)  # of the data: details are taken of 200 samples a worker
    assert one == other


def kws_few(case: Case) -> Path:
    return case.int8.with_name("few.npz")


def _first(case: Case, count: int) -> dict[str, np.ndarray]:
    with np.load(case.base / "evaluation.npz") as data:
        return {key: data[key][:count] for key in ("x", "y")}


def test_original_reference_and_exact_kernels(dnn: Case) -> None:
    plain = dnn.evaluate("{npz: evaluation.npz, metrics: [top1]}")
    other = dnn.evaluate("{npz: evaluation.npz, metrics: [top1], reference: original, exact: true}")
    assert (plain.kernels, other.kernels) == ("xnnpack", "builtin")
    assert other.metrics[0].float_value == plain.metrics[0].float_value
    check = other.reference_check
    assert check is not None and check.reference == "original"
    assert check.samples == 480 and check.agreement == 1.0
    assert 0 < check.largest_error < 1e-4  # TensorFlow and XNNPACK round apart, not more
    kernels = other.kernel_check
    assert kernels is not None
    assert (kernels.kernels, kernels.other) == ("builtin", "xnnpack")
    assert kernels.different > 0  # as measured: XNNPACK decides some samples another way
    assert "CQ402" in [finding.id for finding in other.findings]
    assert plain.kernel_check is None and plain.reference_check is None


def test_another_tflite_as_reference(kws: Case) -> None:
    published = "published_int8.tflite"
    accuracy = kws.evaluate(f"{{npz: evaluation.npz, metrics: [top1], reference: {published}}}")
    # The case's own figure for the published model.
    assert accuracy.metrics[0].float_value == pytest.approx(0.9125, abs=1e-9)
    with pytest.raises(DataError, match=r"nowhere\.tflite: no such file"):
        kws.evaluate("{npz: evaluation.npz, reference: nowhere.tflite}")


def test_known_float_outputs_are_used(kws: Case, tmp_path: Path) -> None:
    """Made-up outputs for one sample show that they are taken, and only they."""
    stored = tmp_path / "known.npz"
    few = tmp_path / "few.npz"
    data = _first(kws, 8)
    np.savez(few, **data)
    wrong = np.zeros((1, 1, 12), dtype=np.float32)
    wrong[0, 0, (data["y"][3] + 1) % 12] = 1
    (name,) = (spec.name for spec in kws.model.outputs)
    np.savez(stored, names=np.array(["few.npz[3]"]), **{f"output:{name}": wrong})
    evaluation = f"{{npz: {few}, metrics: [top1]}}"
    before = kws.evaluate(evaluation)
    after = kws.evaluate(evaluation, known_float_outputs=stored)
    assert before.metrics[0].float_value == 1.0
    assert after.metrics[0].float_value == pytest.approx(7 / 8)
    assert after.metrics[0].int8_value == before.metrics[0].int8_value
    assert after.flips is not None and after.flips.gained == 1


METRIC = """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np

@dataclass
class Scores:
    first: float

def margin(outputs, label):
    (scores,) = outputs.values()
    first, second = np.sort(scores.ravel())[::-1][:2]
    return first - second

def broken(outputs, label):
    return outputs["nothing"]

def undefined(outputs, label):
    return float("nan")
"""


def test_a_function_of_the_users(kws: Case, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(METRIC)
    evaluation = f'{{npz: evaluation.npz, metrics: [{{python: "{tmp_path}/own.py:margin"}}]}}'
    with pytest.raises(UsageError, match="custom code is not allowed"):
        kws.evaluate(evaluation)
    (metric,) = kws.evaluate(evaluation, allow_custom_code=True).metrics
    assert (metric.name, metric.unit) == ("margin", "value")
    assert 0.7 < metric.int8_value < metric.float_value + 0.1 < 1.1
    assert "own" not in sys.modules and "coral_custom_metric" not in sys.modules
    for function, words in (
        ("broken", "broken failed: KeyError"),
        ("undefined", "returned nan"),
        ("missing", "has no function missing"),
    ):
        with pytest.raises(DataError, match=words):
            kws.evaluate(evaluation.replace("margin", function), allow_custom_code=True)


def test_flips_classes_and_thumbnails(digits_case: Case) -> None:
    accuracy = digits_case.evaluate("{images: data/test, labels: folders}")
    assert accuracy.flips is not None and accuracy.confusion is not None
    assert accuracy.confusion.classes == tuple("0123456789")
    assert sum(map(sum, accuracy.confusion.int8_counts)) == accuracy.samples
    right = sum(accuracy.confusion.int8_counts[i][i] for i in range(10))
    assert right / accuracy.samples == pytest.approx(accuracy.metrics[0].int8_value)
    drops = [item.drop for item in accuracy.classes]
    assert drops == sorted(drops, reverse=True)
    assert all(flip.thumbnail for flip in accuracy.flips.worst)


def test_a_crash_in_a_worker_is_an_error(kws: Case, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    content = bytearray(kws.int8.read_bytes())
    content[200:1200] = bytes(range(250)) * 4
    damaged.write_bytes(content)
    case = Case(kws.base, kws.config, kws.model, damaged)
    with pytest.raises(CoralQuantizeError):
        case.evaluate("{npz: evaluation.npz}")


def test_findings_of_wrong_labels(kws: Case, tmp_path: Path) -> None:
    """Classes in another order than the model's: float is right by chance only."""
    data = _first(kws, 480)
    np.savez(tmp_path / "moved.npz", x=data["x"], y=(data["y"] + 3) % 12)
    accuracy = kws.evaluate(f"{{npz: {tmp_path}/moved.npz}}")
    assert accuracy.metrics[0].float_value < 0.1
    assert "CQ405" in [finding.id for finding in accuracy.findings]
    np.savez(tmp_path / "text.npz", x=data["x"], y=data["y"] + 12)
    with pytest.raises(DataError, match="but the model has 12 classes"):
        kws.evaluate(f"{{npz: {tmp_path}/text.npz}}")


def test_limit_on_the_lower_end(kws: Case) -> None:
    from coral_action.report.build import accuracy_data
    from coral_action.report.limits import check_limits

    evaluation = "{npz: evaluation.npz, metrics: [agreement]}"

    def verdict(limits: str) -> tuple[Accuracy, bool]:
        accuracy = kws.evaluate(evaluation, limits)
        config = kws.parse(evaluation, limits)
        (limit,) = check_limits(
            config.limits, sizes=None, placement=None, accuracy=accuracy_data(accuracy)
        )
        return accuracy, limit.passed

    accuracy, passed = verdict("{accuracy_drop: 0.5}")
    metric = accuracy.metrics[0]
    assert metric.interval is not None and metric.interval[0] < 0.5 < metric.drop
    assert not passed
    assert "CQ404" in [finding.id for finding in accuracy.findings]
    cautious, passed = verdict("{accuracy_drop: {max: 0.5, confidence: 0.99}}")
    assert passed
    assert cautious.metrics[0].confidence == 0.99
    wide = cautious.metrics[0].interval
    assert wide is not None and wide[0] <= metric.interval[0] <= metric.interval[1] <= wide[1]


def test_paths_rules_reach_the_workers(kws: Case, tmp_path: Path) -> None:
    from coral_action.errors import ConfigError
    from coral_action.evaluation import evaluate

    (tmp_path / "outside.csv").write_text("")
    config = kws.parse(f"{{npz: evaluation.npz, boxes: {tmp_path}/outside.csv}}")
    with pytest.raises(ConfigError, match="outside of the workspace"):
        evaluate(config, kws.model, kws.int8, PathRules(kws.base, kws.base))


def test_kernels_that_cannot_run_the_model(segmenter: Case, tmp_path: Path) -> None:
    """XNNPACK's fixed-point arithmetic takes ratios of scales up to 256; here it is about 8,000."""
    ranges = {"image": (-1.0, 1.0), "scores": (-1e-6, 1e-6)}
    int8 = quantized(segmenter.model, ranges, tmp_path / "int8.tflite")
    case = Case(segmenter.base, segmenter.config, segmenter.model, int8)
    assert case.evaluate("{npz: unlabelled.npz}").kernels == "builtin"
    assert segmenter.evaluate("{npz: unlabelled.npz}").kernels == "xnnpack"
