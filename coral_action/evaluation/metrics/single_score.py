"""Metrics of two classes: one score (or the second of two) for class 1, the label is 0 or 1."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.errors import DataError
from coral_action.evaluation.metrics.kind import (
    Floats,
    MetricKind,
    Outputs,
    Settings,
    Truth,
    Weighted,
    mean_of,
)

LABEL, SCORE, RIGHT = 0, 1, 2


def score_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """[label, score of class 1, whether it is on the right side of the threshold].

    Raises:
        DataError: if the output has more than two values, or the label is not 0 or 1.
    """
    scores = np.ravel(outputs[settings.output])
    if len(scores) > 2:
        raise DataError(
            f"output {settings.output} has {len(scores)} values, but binary_accuracy and roc_auc "
            "need one score, or one for each of two classes",
            hint="choose other `metrics`, or name the `output`",
        )
    if not isinstance(truth, int | np.integer) or truth not in (0, 1):
        raise DataError(
            f"the label is {truth}, not 0 or 1",
            hint="choose `metrics` that fit the labels, such as mae for the values of a regression",
        )
    score = float(scores[-1])
    return np.array([truth, score, (score >= settings.threshold) == bool(truth)], dtype=np.float64)


def is_right(rows: Floats) -> npt.NDArray[np.bool_]:
    """Whether each sample's score is on the right side of the threshold."""
    return rows[:, RIGHT] > 0


def binary_accuracy(rows: Floats) -> Weighted:
    """Fraction of samples whose score is on the right side of the threshold."""
    return mean_of(is_right(rows))


def roc_auc(rows: Floats) -> Weighted:
    """Area under the ROC curve: how often a sample of class 1 scores above one of class 0.

    Equal scores count half (Mann-Whitney U). NaN where only one class occurs.
    """
    _, group = np.unique(rows[:, SCORE], return_inverse=True)
    is_one = rows[:, LABEL]

    def value(weights: Floats) -> float:
        ones = np.bincount(group, weights * is_one)
        zeros = np.bincount(group, weights * (1 - is_one))
        pairs = ones.sum() * zeros.sum()
        below = np.cumsum(zeros) - zeros
        return float((ones * (below + zeros / 2)).sum() / pairs) if pairs else float("nan")

    return value


KINDS = (
    MetricKind("binary_accuracy", "score", "score", score_row, binary_accuracy, right=is_right),
    MetricKind("roc_auc", "score", "score", score_row, roc_auc),
)
