"""mAP by hand, and against COCO's own evaluation."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from coral_action.errors import DataError
from coral_action.evaluation.boxes import read_boxes
from coral_action.evaluation.metrics import METRICS, Settings
from coral_action.evaluation.metrics.kind import DetectionNames

NAMES = DetectionNames("boxes", "classes", "scores", "count")
SETTINGS = Settings("scores", detection=NAMES)

Found = list[tuple[int, float, tuple[float, float, float, float]]]


def outputs_of(found: Found, size: int = 20) -> dict[str, np.ndarray]:
    """Detections as TFLite_Detection_PostProcess gives them, the rest of it zero."""
    boxes, classes, scores = np.zeros((1, size, 4)), np.zeros((1, size)), np.zeros((1, size))
    for i, (kind, score, box) in enumerate(found):
        boxes[0, i], classes[0, i], scores[0, i] = box, kind, score
    return {"boxes": boxes, "classes": classes, "scores": scores, "count": np.array([len(found)])}


def average_precision(images: list[tuple[Found, np.ndarray]], weights=None) -> float:
    kind = METRICS["map"]
    rows = []
    for found, truth in images:
        outputs = outputs_of(found)
        rows.append(kind.row(outputs, outputs, truth, SETTINGS))
    return kind.prepare(rows)(np.ones(len(rows)) if weights is None else weights)


def labelled(*boxes: tuple[float, ...]) -> np.ndarray:
    return np.array([(*box, 0.0) if len(box) == 5 else box for box in boxes]).reshape(-1, 6)


UNIT = (0.0, 0.0, 0.4, 0.4)
FAR = (0.5, 0.5, 0.9, 0.9)


def test_all_found() -> None:
    truth = labelled((1, *UNIT), (2, *FAR))
    assert average_precision([([(1, 0.9, UNIT), (2, 0.8, FAR)], truth)]) == pytest.approx(1)


def test_half_found_after_a_false_one() -> None:
    # One class, two boxes. By score: wrong, right; the other box is never found.
    # Precision is 1/2 up to recall 1/2, which 51 of the 101 levels do not exceed, then 0.
    truth = labelled((0, *UNIT), (0, *FAR))
    found = [(0, 0.9, (0.0, 0.5, 0.4, 0.9)), (0, 0.5, UNIT)]
    assert average_precision([(found, truth)]) == pytest.approx(51 / 101 / 2)


def test_overlap_decides_at_each_threshold() -> None:
    # The box is found with 3/4 of its height: intersection over union 0.75 holds at 0.50 to 0.75,
    # six of the ten thresholds.
    found = [(0, 0.9, (0.0, 0.0, 0.75, 1.0))]
    assert average_precision([(found, labelled((0, 0, 0, 1, 1)))]) == pytest.approx(0.6)


def test_second_detection_of_a_box_is_false() -> None:
    # The right one first: precision is 1 at every recall that is reached.
    truth = labelled((0, *UNIT))
    assert average_precision([([(0, 0.9, UNIT), (0, 0.8, UNIT)], truth)]) == pytest.approx(1)
    # Two images, scores across images: right 0.9, doubled 0.8, right 0.7: 1 up to 1/2, then 2/3.
    images = [([(0, 0.9, UNIT), (0, 0.8, UNIT)], truth), ([(0, 0.7, UNIT)], truth)]
    assert average_precision(images) == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_crowds_need_not_be_found() -> None:
    crowd = labelled((0, *FAR, 1.0))
    truth = np.concatenate([labelled((0, *UNIT)), crowd])
    inside = (0.5, 0.5, 0.7, 0.7)
    found = [(0, 0.95, inside), (0, 0.94, inside), (0, 0.9, UNIT)]
    assert average_precision([(found, truth)]) == pytest.approx(1)


def test_classes_of_detections_only_do_not_count() -> None:
    truth = labelled((1, *UNIT))
    assert average_precision([([(1, 0.9, UNIT), (7, 0.9, UNIT)], truth)]) == pytest.approx(1)
    assert np.isnan(average_precision([([(7, 0.9, UNIT)], labelled())]))


def test_a_weight_is_a_repetition() -> None:
    images, _ = made(np.random.default_rng(3), 6)
    counts = np.array([2, 0, 1, 3, 0, 1])
    repeated = [image for image, n in zip(images, counts, strict=True) for _ in range(n)]
    weighted = average_precision(images, counts.astype(float))
    assert weighted == pytest.approx(average_precision(repeated), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_against_coco(seed: int) -> None:
    images, coco = made(np.random.default_rng(seed), 25)
    assert average_precision(images) == pytest.approx(_coco_map(images, coco), abs=1e-9)


def made(rng: np.random.Generator, count: int) -> tuple[list[tuple[Found, np.ndarray]], dict]:
    """Images of 640 x 480 with boxes, some crowds, and detections that are more or less right."""
    data: dict = {"images": [], "annotations": [], "categories": [{"id": i} for i in (1, 2, 3)]}
    images = []
    for image in range(count):
        data["images"].append(
            {"id": image, "file_name": f"{image}.jpg", "width": 640, "height": 480}
        )
        truth, found = [], []
        for _ in range(rng.integers(0, 6)):
            y, x = rng.uniform(0, 0.6, 2)
            h, w = rng.uniform(0.2, 0.4, 2)
            kind, crowd = int(rng.integers(0, 3)), float(rng.random() < 0.1)
            truth.append((kind, y, x, y + h, x + w, crowd))
            data["annotations"].append(
                {
                    "id": len(data["annotations"]) + 1,
                    "image_id": image,
                    "category_id": kind + 1,
                    "bbox": [x * 640, y * 480, w * 640, h * 480],
                    "area": h * w * 640 * 480,
                    "iscrowd": int(crowd),
                }
            )
            for _ in range(rng.integers(0, 3)):
                shift = rng.normal(0, 0.02, 4)
                box = tuple(np.clip(np.array([y, x, y + h, x + w]) + shift, 0, 1))
                other = int(rng.integers(0, 3)) if rng.random() < 0.2 else kind
                found.append((other, float(np.round(rng.random(), 2)), box))
        found.sort(key=lambda item: -item[1])
        images.append((found, labelled(*truth)))
    return images, data


def _coco_map(images: list[tuple[Found, np.ndarray]], data: dict) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    results = [
        {
            "image_id": image,
            "category_id": kind + 1,
            "score": score,
            "bbox": [x0 * 640, y0 * 480, (x1 - x0) * 640, (y1 - y0) * 480],
        }
        for image, (found, _) in enumerate(images)
        for kind, score, (y0, x0, y1, x1) in found
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = data
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


def test_coco_and_csv_hold_the_same(tmp_path: Path) -> None:
    data = {
        "images": [
            {"id": 7, "file_name": "a/1.jpg", "width": 200, "height": 100},
            {"id": 8, "file_name": "a/2.jpg", "width": 200, "height": 100},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 18, "bbox": [20, 10, 100, 50], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 200, 100]},
        ],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(data))
    (tmp_path / "boxes.csv").write_text(
        "file,class,ymin,xmin,ymax,xmax\na/1.jpg,17,0.1,0.1,0.6,0.6\na/1.jpg,0,0,0,1,1\na/2.jpg,,,,,\n"
    )
    expected = labelled((17, 0.1, 0.1, 0.6, 0.6), (0, 0, 0, 1, 1))
    for name in ("boxes.json", "boxes.csv"):
        found = read_boxes(tmp_path / name)
        assert list(found) == ["a/1.jpg", "a/2.jpg"]
        assert found["a/1.jpg"] == pytest.approx(expected)
        assert found["a/2.jpg"].shape == (0, 6)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("b.csv", "a.jpg,1,0.1,0.1,50,60", "b.csv:1: no box from 0 to 1"),
        ("b.csv", "a.jpg,cat,0.1,0.1,0.5,0.6", "b.csv:1: a box needs numbers"),
        ("b.csv", "a.jpg,1,0.5,0.1,0.2,0.6", "b.csv:1: no box"),
        ("b.json", "{}", "b.json: no COCO annotations"),
        ("b.json", "[", "b.json: no COCO annotations"),
        (
            "b.json",
            '{"images": [{"id": 1, "file_name": "a", "width": 10, "height": 10}], "annotations": '
            '[{"id": 5, "image_id": 1, "category_id": 1, "bbox": [5, 5, 9, 9]}]}',
            "annotation 5 of a has no box inside",
        ),
    ],
)
def test_files_that_make_no_sense(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=words):
        read_boxes(tmp_path / name)
