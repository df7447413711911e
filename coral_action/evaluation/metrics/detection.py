"""Which detections meet which labelled boxes, decided image by image as COCO's evaluation does."""

from __future__ import annotations

import numpy as np

from coral_action.errors import DataError
from coral_action.evaluation.metrics.average_precision import (
    CLASS,
    CODES,
    FALSE_POSITIVE,
    IGNORED,
    IS_LABEL,
    SCORE,
    THRESHOLDS,
    TRUE_POSITIVE,
    WIDTH,
    average_precision,
)
from coral_action.evaluation.metrics.kind import (
    DetectionNames,
    Floats,
    MetricKind,
    Outputs,
    Settings,
    Truth,
)

# Columns of labelled boxes: class; ymin, xmin, ymax, xmax from 0 to 1; whether it is a crowd.
BOX_CLASS, BOX, BOX_CROWD = 0, slice(1, 5), 5
BOX_WIDTH = 6
MAX_DETECTIONS = 100  # of one class in one image


def detection_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """The labelled boxes and the detections of one image, as `average_precision` takes them.

    Args:
        outputs: as of TFLite_Detection_PostProcess: boxes (1, N, 4) as ymin, xmin, ymax, xmax from
            0 to 1, classes (1, N), scores (1, N), count (1,).
        reference: not looked at.
        truth: labelled boxes, shape (boxes, 6).
        settings: which output is which.

    Raises:
        DataError: if the outputs are not those of a detector.
    """
    names = settings.detection
    if names is None or not isinstance(truth, np.ndarray):
        raise DataError("the metric map needs `boxes` and a detector's outputs")
    scores = np.ravel(outputs[names.scores]).astype(np.float64)
    classes = np.rint(np.ravel(outputs[names.classes]).astype(np.float64))
    boxes = np.asarray(outputs[names.boxes], dtype=np.float64)
    if boxes.shape != (1, len(scores), 4) or len(classes) != len(scores):
        raise DataError(
            f"boxes of shape {list(boxes.shape)}, {len(classes)} classes and {len(scores)} scores "
            "are no detections",
            hint="name boxes [1, N, 4], classes [1, N] and scores [1, N] under `detection`",
        )
    count = detection_count(outputs, names)
    parts = []
    for number in np.unique([*truth[:, BOX_CLASS], *classes[:count]]):
        mine = np.flatnonzero(classes[:count] == number)
        mine = mine[np.argsort(-scores[mine], kind="stable")][:MAX_DETECTIONS]
        labelled = truth[truth[:, BOX_CLASS] == number]
        parts.append(_rows(number, labelled, boxes[0, mine], scores[mine]))
    return np.concatenate([*parts, np.zeros((0, WIDTH))])


def detection_count(outputs: Outputs, names: DetectionNames) -> int:
    """How many detections there are: all, or what the output says; int8 may be a step beside."""
    most = int(np.size(outputs[names.scores]))
    if names.count is None:
        return most
    return int(np.clip(np.rint(np.ravel(outputs[names.count])[0]), 0, most))


def _rows(number: float, labelled: Floats, boxes: Floats, scores: Floats) -> Floats:
    rows = np.zeros((len(labelled) + len(boxes), WIDTH))
    rows[:, CLASS] = number
    rows[: len(labelled), IS_LABEL] = 1
    rows[: len(labelled), SCORE] = 1 - labelled[:, BOX_CROWD]
    rows[len(labelled) :, SCORE] = scores
    # Crowds last, as COCO's evaluation sorts them: a detection prefers what has to be found.
    labelled = labelled[np.argsort(labelled[:, BOX_CROWD], kind="stable")]
    crowd = labelled[:, BOX_CROWD] == 1
    overlap = overlaps(boxes, labelled[:, BOX], crowd)
    codes = [match(overlap, crowd, float(threshold)) for threshold in THRESHOLDS]
    rows[len(labelled) :, CODES] = np.stack(codes, axis=1) if len(boxes) else 0
    return rows


def overlaps(boxes: Floats, labelled: Floats, crowd: Floats) -> Floats:
    """Intersection over union of each of (D, 4) boxes with each of (G, 4) labelled ones: (D, G).

    With a crowd, it is intersection over the area of the box.
    """
    low = np.maximum(boxes[:, np.newaxis, :2], labelled[np.newaxis, :, :2])
    high = np.minimum(boxes[:, np.newaxis, 2:], labelled[np.newaxis, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    own = _area(boxes)[:, np.newaxis]
    union = np.where(crowd[np.newaxis], own, own + _area(labelled)[np.newaxis] - both)
    result: Floats = np.divide(both, union, out=np.zeros_like(both), where=union > 0)
    return result


def _area(boxes: Floats) -> Floats:
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    return sides[:, 0] * sides[:, 1]


def match(overlap: Floats, crowd: Floats, threshold: float) -> Floats:
    """What becomes of each detection: the best box that is still free is its own, best score first.

    Args:
        overlap: (D, G), detections by falling score, crowds last.
        crowd: (G,), whether each labelled box is a crowd: any number of detections may meet it.
        threshold: the least overlap.

    Returns:
        For each detection FALSE_POSITIVE, TRUE_POSITIVE or IGNORED (it met a crowd), shape (D,).
    """
    free = np.ones(len(crowd), dtype=bool)
    codes = np.full(len(overlap), float(FALSE_POSITIVE))
    for detection, row in enumerate(overlap):
        best = -1
        for box in np.flatnonzero((free | crowd) & (row >= min(threshold, 1 - 1e-10))):
            if best >= 0 and crowd[box] and not crowd[best]:
                break
            if best < 0 or row[box] >= row[best]:
                best = int(box)
        if best >= 0:
            free[best] = False
            codes[detection] = IGNORED if crowd[best] else TRUE_POSITIVE
    return codes


KINDS = (MetricKind("map", "boxes", "boxes", detection_row, average_precision, ragged=True),)
