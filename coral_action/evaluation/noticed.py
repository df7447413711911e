"""What is worth saying of a result, as findings CQ401 and up; each check is one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from coral_action.config.limits_schema import LimitsConfig
from coral_action.counts import plural
from coral_action.errors import DataError
from coral_action.evaluation.result import Accuracy, Metric
from coral_action.findings import Finding, Severity

STRUCTURAL_DROP = 5.0  # percentage points
STRUCTURAL_AGREEMENT = 0.8

# The float .tflite is the original model with folded constants: more than this is no rounding.
_LOADING_ERROR = 1e-2

# Why a metric may have no value.
_NEEDS = {
    "roc_auc": "it needs samples of both classes",
    "mean_iou": "no mask has a pixel that counts (255 counts nowhere)",
    "map": "no box is labelled",
}
_VALUES = "some sample has no value"

Check = Callable[[Accuracy, LimitsConfig], Iterator[Finding]]


def is_structural(accuracy: Accuracy) -> bool:
    """Whether the loss is too large to be rounding: 5 points, or agreement below 80 %.

    For metrics in a unit of their own, 5 points of cosine similarity stand for the loss.
    """
    metric = accuracy.metrics[0]
    drop = metric.drop
    if drop is None:
        return False
    if metric.unit != "fraction":
        drop = 100 * (1 - min(output.cosine for output in accuracy.outputs))
    agreement = accuracy.agreement
    return drop >= STRUCTURAL_DROP or (agreement is not None and agreement < STRUCTURAL_AGREEMENT)


def structural(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ401: int8 loses so much that some layer, or the data, must be the cause."""
    metric = accuracy.metrics[0]
    if metric.drop is not None and is_structural(accuracy):
        agreement = accuracy.agreement
        agrees = "" if agreement is None else f"agrees with float in {agreement:.1%}"
        loses = f"loses {_amount(metric, metric.drop)} of {metric.name}" if metric.drop > 0 else ""
        yield Finding(
            "CQ401",
            Severity.WARNING,
            f"int8 {' and '.join(filter(None, (loses, agrees)))} over "
            f"{plural(accuracy.samples, 'sample')}: more than rounding does",
            "see the layers with the largest error and the warnings about data; calibrate with "
            "data like these, in the same preprocessing, and try `method: auto`; end the model "
            "before a layer that can't be quantized (`outputs`)",
        )


def kernels_differ(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ402: results of int8 depend on which kernels run it."""
    check = accuracy.kernel_check
    if check is not None and check.different:
        yield Finding(
            "CQ402",
            Severity.INFO,
            f"{check.different} of {plural(check.samples, 'sample')} have another result with "
            f"{check.other} kernels than with {check.kernels}",
            "these samples are decided by a step or two of rounding: the Edge TPU may decide them "
            "either way",
        )


def reference_differs(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ403: the float .tflite does not compute what the reference does."""
    check = accuracy.reference_check
    if check is not None and (1 - check.cosine > _LOADING_ERROR or _below(check.agreement, 0.99)):
        agrees = "" if check.agreement is None else f" (agreement {check.agreement:.1%})"
        yield Finding(
            "CQ403",
            Severity.WARNING,
            f"the float .tflite differs from {check.reference} by up to {check.largest_error:.3g}"
            f"{agrees}",
            "the model was not loaded as it was trained: compare `inputs`, `outputs` and "
            "`signature` with how it is used elsewhere",
        )


def too_few_samples(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ404: a loss above the limit that may be chance."""
    limit, metric = limits.accuracy_drop, accuracy.metrics[0]
    if limit is None or metric.interval is None or limit.confidence is not None:
        return
    if metric.drop is None or limit.exceeded_by(metric.interval[0]):
        return
    if limit.exceeded_by(metric.drop):
        low, high = (_amount(metric, end) for end in metric.interval)
        yield Finding(
            "CQ404",
            Severity.INFO,
            f"with {plural(accuracy.samples, 'sample')}, the loss of "
            f"{_amount(metric, metric.drop)} of {metric.name} lies between {low} and "
            f"{high} ({metric.confidence:.0%} interval): it may be within the limit",
            "evaluate more samples, or let the limit ask for the interval: "
            f"`accuracy_drop: {{max: {limit.max:g}, confidence: 0.95}}`",
        )


def float_is_chance(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ405: the float model itself does no better than always choosing the commonest class."""
    top1 = next((m for m in accuracy.metrics if m.name in ("top1", "binary_accuracy")), None)
    if (
        top1 is None
        or top1.float_value is None
        or accuracy.confusion is None
        or len(accuracy.classes) < 2
    ):
        return
    commonest = max(item.samples for item in accuracy.classes) / accuracy.samples
    # Two standard errors: a model that is as good as chance is below this in 98 of 100 cases.
    bound = commonest + 2 * float(np.sqrt(commonest * (1 - commonest) / accuracy.samples))
    # With few samples, or a class that is nearly all, even a perfect model would be below.
    halfway = (1 + commonest) / 2
    if top1.float_value <= commonest or top1.float_value < min(bound, halfway):
        yield Finding(
            "CQ405",
            Severity.WARNING,
            f"the float model is right in {top1.float_value:.1%}, no better than always choosing "
            f"the commonest class ({commonest:.1%})",
            "most often the order of the classes or the preprocessing is not the one it was "
            "trained with: then int8 accuracy says nothing",
        )


def no_reference(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ406: the model was integer already, so there is no float model to compare with."""
    if accuracy.reference == "none":
        limited = limits.accuracy_drop is not None
        yield Finding(
            "CQ406",
            Severity.WARNING if limited else Severity.INFO,
            "the model is integer already and there is no float model to compare with: what "
            "quantization lost is not known"
            + (", and limits.accuracy_drop was not checked" if limited else ""),
            "name the float model that it was made from: `evaluation: {reference: model.tflite}`",
        )


def undefined_metrics(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ407: a metric has no value on these samples."""
    for name in undefined(accuracy):
        yield Finding(
            "CQ407",
            Severity.WARNING,
            f"{name} is undefined on these data: {_NEEDS.get(name, _VALUES)}",
            "evaluate more samples, or choose other `metrics`",
        )


def class_folders_differ(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ408: there are more or fewer class folders than scores, so their numbers may be shifted."""
    if accuracy.class_folders is not None:
        folders, scores = accuracy.class_folders
        yield Finding(
            "CQ408",
            Severity.WARNING,
            f"the data have {folders} class folders, the model has {scores} scores: folders are "
            "numbered from 0 in alphabetical order, so classes after a missing one are shifted",
            "list the names of all classes in the model's order in a file, as `labels: labels.txt`",
        )


def nothing_to_segment(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ409: masks hold no class but 0, which is the background; pixels of 255 count nowhere."""
    if accuracy.only_background:
        yield Finding(
            "CQ409",
            Severity.WARNING,
            "the masks hold no class but 0; pixels of 255 count nowhere",
            "masks of one object hold 1 where it is, not 255",
        )


def undefined(accuracy: Accuracy) -> list[str]:
    """The metrics that were asked for and have no value."""
    known = {metric.name for metric in accuracy.metrics}
    return [name for name in accuracy.asked if name not in known]


def require_limited_metric(accuracy: Accuracy, limits: LimitsConfig) -> None:
    """A limit is held against the first metric that was asked for, and never against another.

    Raises:
        DataError: if that one is undefined and there is a limit, or no metric has a value.
    """
    missing = undefined(accuracy)
    if missing and (
        not accuracy.metrics or (limits.accuracy_drop and missing[0] == accuracy.asked[0])
    ):
        because = " and limits.accuracy_drop is held against it" if accuracy.metrics else ""
        raise DataError(
            f"evaluation: {missing[0]} is undefined on these data"
            f"{because}: {_NEEDS.get(missing[0], _VALUES)}",
            hint="evaluate more samples, or choose other `metrics`",
        )


CHECKS: tuple[Check, ...] = (
    structural,
    kernels_differ,
    reference_differs,
    too_few_samples,
    float_is_chance,
    no_reference,
    undefined_metrics,
    class_folders_differ,
    nothing_to_segment,
)


def notice(accuracy: Accuracy, limits: LimitsConfig) -> tuple[Finding, ...]:
    """All findings of a result."""
    return tuple(finding for check in CHECKS for finding in check(accuracy, limits))


def _below(value: float | None, bound: float) -> bool:
    return value is not None and value < bound


def _amount(metric: Metric, value: float) -> str:
    return f"{value:.2f} points" if metric.unit == "fraction" else f"{value:.4g}"
