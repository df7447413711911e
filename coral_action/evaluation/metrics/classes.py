"""Metrics of classifiers: the model gives every class a score, the label is the class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.errors import DataError
from coral_action.evaluation.metrics.kind import (
    Array,
    Floats,
    MetricKind,
    Outputs,
    Settings,
    Truth,
    Weighted,
    mean_of,
)

LABEL, RANK = 0, 1


def rank_of(scores: Array, label: int) -> int:
    """How many classes come before `label` when classes are sorted by score.

    Args:
        scores: one score a class, shape (classes,).
        label: the true class.

    Equal scores, which int8 outputs often have, rank the lower class number first, as argmax does.
    """
    own = scores[label]
    return int((scores > own).sum() + (scores[:label] == own).sum())


def class_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """[label, rank of the label].

    Raises:
        DataError: if the label is no class of the model.
    """
    scores = np.ravel(outputs[settings.output])
    if not isinstance(truth, int | np.integer):
        raise DataError(
            f"output {settings.output} is held against a class, but the label is none",
            hint="choose `metrics` that fit the labels",
        )
    if not 0 <= truth < len(scores):
        raise DataError(
            f"of class {truth}, but the model has {len(scores)} classes, from 0",
            hint="check the labels, and that `output` names the output with the classes",
            topic="class-numbers",
        )
    return np.array([truth, rank_of(scores, int(truth))], dtype=np.float64)


def _among_first(count: int, rows: Floats) -> npt.NDArray[np.bool_]:
    return rows[:, RANK] < count


def is_top1(rows: Floats) -> npt.NDArray[np.bool_]:
    """Whether the true class of each sample got the highest score."""
    return _among_first(1, rows)


def is_top5(rows: Floats) -> npt.NDArray[np.bool_]:
    """Whether the true class of each sample is among the five highest scores."""
    return _among_first(5, rows)


def top1(rows: Floats) -> Weighted:
    """Fraction of samples whose true class got the highest score."""
    return mean_of(is_top1(rows))


def top5(rows: Floats) -> Weighted:
    """Fraction of samples whose true class is among the five highest scores."""
    return mean_of(is_top5(rows))


def recall(rows: Floats) -> Weighted:
    """Mean over the classes that occur of the fraction of their samples that are right.

    Also called balanced or macro-averaged accuracy; classes of few samples count as much as others.
    """
    labels = rows[:, LABEL].astype(np.int64)
    right = is_top1(rows).astype(np.float64)

    def value(weights: Floats) -> float:
        counts = np.bincount(labels, weights)
        hits = np.bincount(labels, weights * right)
        return float((hits[counts > 0] / counts[counts > 0]).mean())

    return value


KINDS = (
    MetricKind("top1", "class", "classes", class_row, top1, right=is_top1),
    MetricKind("top5", "class", "classes", class_row, top5, right=is_top5),
    MetricKind("recall", "class", "classes", class_row, recall),
)
