"""What a label means to a model: only with its output in view, numbers are classes or values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from coral_action.evaluation.metrics.kind import Array, Truth


def fitting(label: Truth, shape: Sequence[int]) -> Truth:
    """A label as metrics take it.

    Numbers saved as floats are classes where the output scores several, and values where it is a
    single one; the same goes for each pixel of an image. The last dimension of a mask may be 1, as
    Keras has it.

    Args:
        label: of a sample, as the data have it.
        shape: of the output that is looked at, (1, ...).
    """
    if not isinstance(label, np.ndarray):
        return label
    if label.ndim == 0:
        return int(label) if math.prod(shape) > 1 and _are_classes(label) else label
    image = len(shape) in (3, 4)
    flat = label[..., 0] if label.ndim == 3 and label.shape[-1] == 1 else label
    if not image or flat.ndim != 2:
        return label
    several = len(shape) == 4 and shape[-1] > 1
    is_mask = flat.dtype.kind in "iu" or (several and _are_classes(flat))
    return flat.astype(np.int32) if is_mask else label


def _are_classes(label: Array) -> bool:
    return bool((label >= 0).all() and (label == np.rint(label)).all())
