"""COCO's mean average precision from detections that are already matched, image by image.

The rules are those of COCO's evaluation (cocodataset.org/#detection-eval) for all areas and at most
100 detections of one class in one image: average precision at 101 recall levels, mean over ten
thresholds of intersection over union from 0.50 to 0.95, mean over the classes that are labelled.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.evaluation.metrics.kind import Floats, Weighted

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)

# A row: a labelled box or a detection, its class, its score (of a labelled box: 1, or 0 if it is a
# crowd, which need not be found), and for a detection what became of it at each threshold.
IS_LABEL, CLASS, SCORE, CODES = 0, 1, 2, slice(3, 13)
WIDTH = 13
FALSE_POSITIVE, TRUE_POSITIVE, IGNORED = 0, 1, 2


def average_precision(images: list[Floats]) -> Weighted:
    """Mean average precision of images, each an array of such rows, shape (rows, 13)."""
    rows = np.concatenate(images)
    image_of = np.repeat(np.arange(len(images)), [len(image) for image in images])
    labels = rows[:, IS_LABEL] == 1
    classes = [
        _OneClass(rows, image_of, labels & (rows[:, CLASS] == n), ~labels & (rows[:, CLASS] == n))
        for n in np.unique(rows[labels & (rows[:, SCORE] == 1), CLASS])
    ]

    def value(weights: Floats) -> float:
        found = [p for p in (one.precision(weights) for one in classes) if p is not None]
        return float(np.mean(found)) if found else float("nan")

    return value


class _OneClass:
    """Labels and detections of one class, the detections by falling score."""

    def __init__(
        self,
        rows: Floats,
        image_of: npt.NDArray[np.int64],
        labels: npt.NDArray[np.bool_],
        detections: npt.NDArray[np.bool_],
    ) -> None:
        self._label_images = image_of[labels & (rows[:, SCORE] == 1)]
        found = np.flatnonzero(detections)
        found = found[np.argsort(-rows[found, SCORE], kind="stable")]
        self._images = image_of[found]
        codes = np.ascontiguousarray(rows[found, CODES].T)  # a row for each threshold
        self._true = codes == TRUE_POSITIVE
        self._false = codes == FALSE_POSITIVE

    def precision(self, weights: Floats) -> float | None:
        """Average precision, mean over thresholds; None if nothing is labelled."""
        labelled = weights[self._label_images].sum()
        if labelled == 0:
            return None
        often = weights[self._images]
        true = np.cumsum(self._true * often, axis=1)
        false = np.cumsum(self._false * often, axis=1)
        recall = true / labelled
        precision = true / np.maximum(true + false, np.spacing(1))
        # The best precision at this recall or a higher one.
        precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        pairs = zip(recall, precision, strict=True)
        return float(np.mean([_interpolated(*pair) for pair in pairs]))


def _interpolated(recall: Floats, precision: Floats) -> float:
    """Precision at the 101 recall levels, 0 at those that are not reached; their mean."""
    places = np.searchsorted(recall, RECALLS, side="left")
    reached = places < len(recall)
    return float(precision[places[reached]].sum() / len(RECALLS))
