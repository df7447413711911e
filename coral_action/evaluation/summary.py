"""From the rows of all samples to metrics, intervals, and what is worth saying."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

import numpy as np

from coral_action.evaluation.columns import (
    CHECK_COSINE,
    CHECK_LARGEST,
    COSINE,
    LARGEST,
    NOISE,
    SAME,
    SIGNAL,
    Columns,
)
from coral_action.evaluation.compare import metric_keys
from coral_action.evaluation.metrics import MetricKind
from coral_action.evaluation.metrics.segmentation import OF_LABEL
from coral_action.evaluation.result import KernelCheck, Metric, OutputError, ReferenceCheck
from coral_action.evaluation.statistics import (
    mcnemar_exact,
    paired_bootstrap,
    paired_difference_interval,
)

# Average precision takes so many times longer for a row than a mean does.
_RAGGED_WORK = 20


def has_reference(columns: Columns) -> bool:
    """Whether int8 was compared with something."""
    return "errors" in columns


def measure(kind: MetricKind, columns: Columns, confidence: float) -> Metric | None:
    """One metric with both models, and an interval for the loss; without a reference, its value.

    None where it is undefined, such as the area under the ROC curve of a single class.
    """
    if not has_reference(columns):
        own = kind.prepare(columns.stacked(metric_keys(kind)[1]))(np.ones(len(columns)))
        return (
            None if isnan(own) else Metric(kind.name, None, own, kind.unit, kind.higher_is_better)
        )
    rows = [columns.stacked(key) for key in metric_keys(kind)]
    first, second = (kind.prepare(part) for part in rows)
    every = np.ones(len(columns))
    before, after = first(every), second(every)
    if isnan(before) or isnan(after):
        return None
    p_value = None
    if kind.right is not None:
        was, now = (kind.right(part) for part in rows)
        lost, gained = int((was & ~now).sum()), int((~was & now).sum())
        p_value = mcnemar_exact(lost, gained)
        interval: tuple[float, float] | None = paired_difference_interval(
            lost, gained, len(columns), confidence
        )
    else:
        work = _RAGGED_WORK * max(sum(map(len, part)) for part in rows) if kind.ragged else 1
        interval = paired_bootstrap(first, second, len(columns), confidence, work=work)
    scale = 100.0 if kind.unit == "fraction" else 1.0
    if interval is not None:
        low, high = (scale * end for end in interval)
        interval = (low, high) if kind.higher_is_better else (-high, -low)
    return Metric(
        kind.name, before, after, kind.unit, kind.higher_is_better, interval, confidence, p_value
    )


def output_errors(columns: Columns, names: Sequence[str]) -> tuple[OutputError, ...]:
    """How far each output of int8 is from the reference's, over all samples."""
    if not has_reference(columns):
        return ()
    errors = columns.stacked("errors")
    found = []
    for name, rows in zip(names, errors.swapaxes(0, 1), strict=True):
        signal, noise = rows[:, SIGNAL].sum(), rows[:, NOISE].sum()
        ratio = 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else None
        cosine = float(rows[:, COSINE].mean())
        found.append(OutputError(name, cosine, ratio, float(rows[:, LARGEST].max())))
    return tuple(found)


def agreement(columns: Columns) -> float | None:
    """Mean agreement of both models; None where some sample has none."""
    if not has_reference(columns):
        return None
    same = columns.stacked("agreement")[:, 0]
    return None if np.isnan(same).any() else float(same.mean())


def kernel_check(columns: Columns, kernels: str, other: str) -> KernelCheck | None:
    """What depends on the kernels; None if it was not looked at."""
    if "kernel_check" not in columns:
        return None
    rows = columns.stacked("kernel_check")
    return KernelCheck(
        kernels,
        other,
        len(rows),
        int((rows[:, SAME] < 1).sum()),
        float(rows[:, CHECK_LARGEST].max()),
    )


def only_background(kinds: Sequence[MetricKind], columns: Columns) -> bool:
    """Whether the masks hold no class but 0."""
    masks = next((kind for kind in kinds if kind.task == "mask"), None)
    if masks is None:
        return False
    rows = columns.stacked(metric_keys(masks)[1])
    pixels = rows[:, OF_LABEL].sum(axis=0)
    return bool(pixels[0] > 0 and not pixels[1:].any())


def reference_check(columns: Columns, reference: str, chooses: bool) -> ReferenceCheck | None:
    """The reference against the float .tflite; None if they are one and the same."""
    if "float_check" not in columns:
        return None
    rows = columns.stacked("float_check")
    return ReferenceCheck(
        reference,
        len(rows),
        float(rows[:, SAME].mean()) if chooses else None,
        float(rows[:, CHECK_COSINE].mean()),
        float(rows[:, CHECK_LARGEST].max()),
    )
