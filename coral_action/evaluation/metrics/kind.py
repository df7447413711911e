"""What a metric is: a row of numbers for each sample, and a value from all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from coral_action.evaluation.result import Unit

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Outputs = dict[str, Array]
# The class; or target values, or the class of each pixel, or boxes (`boxes.py`); or nothing.
Truth = int | Array | None
# What the labels have to be.
Task = Literal["classes", "score", "values", "mask", "boxes", "any"]
# Value of a metric, given how often each sample counts; NaN where it is undefined.
Weighted = Callable[[Floats], float]


@dataclass(frozen=True)
class DetectionNames:
    """Names of a detector's outputs, in the order of TFLite_Detection_PostProcess."""

    boxes: str
    classes: str
    scores: str
    count: str | None


@dataclass(frozen=True)
class Settings:
    """What metrics have to know of the model and of coral.yml."""

    output: str
    threshold: float = 0.5
    detection: DetectionNames | None = None


# (this model's outputs, the reference's outputs, truth, settings) to one row. For the reference
# itself, both are the same.
RowFunction = Callable[[Outputs, Outputs, Truth, Settings], Floats]


@dataclass(frozen=True)
class MetricKind:
    """One metric.

    Attributes:
        name: as in coral.yml.
        rows: what the rows are called; metrics of the same rows share them.
        task: what the labels have to be.
        row: what is kept of one sample; each metric of the same `rows` has the same function.
        prepare: the metric over rows, as a function of how often each counts. The rows are an array
            with samples along the first axis, or a list of arrays where `ragged`.
        right: whether each sample is right, where that is all that the metric looks at.
        ragged: rows differ in length.
        unit: fraction (0 to 1), or value (in the labels' unit).
        higher_is_better: false for errors.
        against_reference: says how close a model is to the reference, nothing without one.
    """

    name: str
    rows: str
    task: Task
    row: RowFunction
    prepare: Callable[[Any], Weighted]
    right: Callable[[Floats], npt.NDArray[np.bool_]] | None = None
    ragged: bool = False
    unit: Unit = "fraction"
    higher_is_better: bool = True
    against_reference: bool = False


def mean_of(values: Sequence[float] | Array) -> Weighted:
    """The weighted mean of one number a sample."""
    numbers = np.asarray(values, dtype=np.float64)
    return lambda weights: float((numbers * weights).sum() / weights.sum())
