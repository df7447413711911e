"""Metrics without labels: how close a model's outputs are to the reference's."""

from __future__ import annotations

import numpy as np

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
from coral_action.evaluation.metrics.segmentation import pixel_classes


def cosine_similarity(first: Array, second: Array) -> float:
    """Cosine of the angle between two outputs as vectors; 1 where both are zero."""
    a, b = (np.ravel(value).astype(np.float64) for value in (first, second))
    norms = float(np.sqrt((a * a).sum() * (b * b).sum()))
    if norms == 0:
        return float(not a.any() and not b.any())
    return min(1.0, float((a * b).sum()) / norms)


def choice_of(scores: Array, threshold: float) -> int:
    """The class that scores of shape (1, ...) choose: the highest, or by threshold if single."""
    flat = np.ravel(scores)
    return int(flat[0] >= threshold) if len(flat) == 1 else int(flat.argmax())


def agreement_of(first: Array, second: Array, threshold: float) -> float:
    """Whether two outputs choose the same class; of images, the fraction of pixels."""
    if first.ndim == 4 and first.shape[1] * first.shape[2] > 1:
        same = pixel_classes(first, threshold)[0] == pixel_classes(second, threshold)[0]
        return float(same.mean())
    return float(choice_of(first, threshold) == choice_of(second, threshold))


def cosine_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """[cosine similarity to the reference]."""
    return np.array([cosine_similarity(reference[settings.output], outputs[settings.output])])


def agreement_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """[whether the reference chooses the same class]."""
    name = settings.output
    return np.array([agreement_of(reference[name], outputs[name], settings.threshold)])


def cosine(rows: Floats) -> Weighted:
    """Mean over samples of the cosine similarity to the reference, which has 1."""
    return mean_of(rows[:, 0])


def agreement(rows: Floats) -> Weighted:
    """Fraction of samples (of pixels, for images) for which the reference chooses the same."""
    return mean_of(rows[:, 0])


KINDS = (
    MetricKind("cosine", "cosine", "any", cosine_row, cosine, against_reference=True),
    MetricKind("agreement", "agreement", "any", agreement_row, agreement, against_reference=True),
)
