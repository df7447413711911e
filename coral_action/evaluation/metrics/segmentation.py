"""Mean intersection over union: the model gives every pixel a class, and so does the label."""

from __future__ import annotations

import numpy as np

from coral_action.errors import DataError
from coral_action.evaluation.metrics.kind import (
    Array,
    Floats,
    MetricKind,
    Outputs,
    Settings,
    Truth,
    Weighted,
)

OF_LABEL = 1  # a row's counts of the label's pixels
NO_CLASS = 255  # pixels of this class count nowhere, as in PASCAL VOC and Cityscapes

_MASKS = "name the folder of `masks`; in an npz, y is integers of shape (samples, height, width)"


def pixel_classes(value: Array, threshold: float) -> tuple[Array, int]:
    """The class of each pixel, shape (height, width), and how many classes there are.

    Args:
        value: scores (1, height, width, classes); or one score a pixel for class 1,
            (1, height, width, 1); or class numbers (1, height, width).
        threshold: a single score at or above it means class 1.

    Raises:
        DataError: if the output is no such image.
    """
    if value.ndim == 4 and value.shape[3] > 1:
        return value[0].argmax(axis=-1), value.shape[3]
    if value.ndim == 4:
        return (value[0, :, :, 0] >= threshold).astype(np.int64), 2
    if value.ndim == 3:
        return np.rint(value[0]).astype(np.int64), NO_CLASS
    raise DataError(
        f"an output of shape {list(value.shape)} gives no class to pixels",
        hint="name the `output` of shape [1, height, width, classes]",
    )


def overlap_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """For each class: pixels of both, of the label, of the model; shape (3, classes).

    A label of another size than the output is sampled at the centres of the output's pixels.

    Raises:
        DataError: if the label is no mask, or has a class that the model has not.
    """
    chosen, classes = pixel_classes(outputs[settings.output], settings.threshold)
    mask = np.asarray(truth)
    if truth is None or mask.ndim != 2:
        raise DataError("mean_iou needs a mask as label", hint=_MASKS)
    wanted = sampled(mask, chosen.shape)
    known = wanted != NO_CLASS
    chosen, wanted = chosen[known], wanted[known]
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < classes:
        raise DataError(
            f"the mask has class {int(wanted.max())}, but the model has {classes} classes, from 0",
            hint=f"pixels that count nowhere have the value {NO_CLASS}",
        )
    both = chosen[chosen == wanted]
    parts = (both, wanted, np.clip(chosen, 0, classes - 1))
    return np.stack([np.bincount(p, minlength=classes) for p in parts]).astype(np.float64)


def sampled(mask: Array, shape: tuple[int, ...]) -> Array:
    """A mask at the centres of a grid of another shape: the nearest pixel, nothing is mixed."""
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * whole / size, whole - 1).astype(np.int64)
        for size, whole in zip(shape, mask.shape, strict=True)
    )
    return mask[np.ix_(rows, columns)].astype(np.int64)


def mean_iou(rows: Floats) -> Weighted:
    """Mean over classes of intersection / union, each taken over all pixels of all samples.

    Classes that neither the labels nor the model have are left out.
    """

    def value(weights: Floats) -> float:
        both, wanted, chosen = np.tensordot(weights, rows, axes=1)
        union = wanted + chosen - both
        return float((both[union > 0] / union[union > 0]).mean()) if union.any() else float("nan")

    return value


KINDS = (MetricKind("mean_iou", "overlap", "mask", overlap_row, mean_iou),)
