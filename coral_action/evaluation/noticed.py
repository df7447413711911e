"""What is worth saying of a result, as findings CQ401 and up; each check is one function."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from coral_action.config.limits_schema import LimitsConfig
from coral_action.evaluation.result import Accuracy, Metric
from coral_action.findings import Finding, Severity

STRUCTURAL_DROP = 5.0  # percentage points
STRUCTURAL_AGREEMENT = 0.8

# The float .tflite is the original model with folded constants: more than this is no rounding.
_LOADING_ERROR = 1e-2

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
        agrees = "" if agreement is None else f" and agrees with float in {agreement:.1%}"
        yield Finding(
            "CQ401",
            Severity.WARNING,
            f"int8 loses {_amount(metric, metric.drop)} of {metric.name}{agrees} "
            f"over {accuracy.samples} samples: more than rounding does",
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
            f"{check.different} of {check.samples} samples have another result with {check.other} "
            f"kernels than with {check.kernels}",
            "these samples are decided by a step or two of rounding: the Edge TPU may decide them "
            "either way",
        )


def reference_differs(accuracy: Accuracy, limits: LimitsConfig) -> Iterator[Finding]:
    """CQ403: the float .tflite does not compute what the reference does."""
    check = accuracy.reference_check
    if check is not None and (1 - check.cosine > _LOADING_ERROR or (check.agreement or 1) < 0.99):
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
    if metric.drop is not None and metric.interval[0] <= limit.max < metric.drop:
        low, high = (_amount(metric, end) for end in metric.interval)
        yield Finding(
            "CQ404",
            Severity.INFO,
            f"with {accuracy.samples} samples, the loss of {_amount(metric, metric.drop)} of "
            f"{metric.name} lies between {low} and {high} ({metric.confidence:.0%} interval): it "
            "may be within the limit",
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
    if top1.float_value < bound:
        yield Finding(
            "CQ405",
            Severity.WARNING,
            f"the float model is right in {top1.float_value:.1%}, no better than always choosing "
            f"the commonest class ({commonest:.1%})",
            "the order of the classes or the preprocessing is not the one it was trained with: "
            "then int8 accuracy says nothing",
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


CHECKS: tuple[Check, ...] = (
    structural,
    kernels_differ,
    reference_differs,
    too_few_samples,
    float_is_chance,
    no_reference,
)


def notice(accuracy: Accuracy, limits: LimitsConfig) -> tuple[Finding, ...]:
    """All findings of a result."""
    return tuple(finding for check in CHECKS for finding in check(accuracy, limits))


def _amount(metric: Metric, value: float) -> str:
    return f"{value:.2f} points" if metric.unit == "fraction" else f"{value:.4g}"
