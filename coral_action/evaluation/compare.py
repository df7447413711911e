"""Reference and int8 over the same samples, in one pass: a few numbers of each sample are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np

from coral_action.data import Sample
from coral_action.errors import DataError
from coral_action.evaluation.columns import Columns
from coral_action.evaluation.metrics.detection import detection_count
from coral_action.evaluation.metrics.kind import Array, Floats, MetricKind, Outputs, Truth
from coral_action.evaluation.metrics.similarity import (
    agreement_of,
    choice_of,
    cosine_similarity,
)
from coral_action.evaluation.plan import Plan

Run = Callable[[Sample], Outputs]

# Slow models take turns earlier, so that progress is seen.
_BURST_SECONDS = 0.5
_DIFFERENT = 1e-6  # a probability this far from 1 in sum is none; float32 gives 1e-7 a value


def compare(
    plan: Plan,
    reference: Run | None,
    int8: Run,
    samples: Iterable[Sample],
    *,
    truth_of: Callable[[Sample], Truth],
    float_check: Run | None = None,
    kernel_check: Run | None = None,
    at_once: int = 1,
    advance: Callable[[int], None] = lambda done: None,
) -> Columns:
    """Run every sample through both models.

    Args:
        plan: what to compute.
        reference: outputs of the reference for a sample; None where there is none: then there are
            rows of the int8 model only.
        int8: the same of the int8 model, dequantized.
        samples: what to run.
        truth_of: the label of a sample.
        float_check: the float .tflite, where the reference is another model.
        kernel_check: the int8 model with other kernels.
        at_once: how many samples each model may run before it is the other's turn.
        advance: called with the number of samples done.

    Raises:
        DataError: if a label does not fit the model, or an output is NaN or infinite.
    """
    columns = Columns()
    waiting, length = iter(samples), 1
    while burst := list(islice(waiting, length)):
        # One model after the other: taking turns, they throw each other out of the core's cache.
        started = time.monotonic()
        found = [_outputs(int8, sample, "the int8 model", plan) for sample in burst]
        for sample, own in zip(burst, found, strict=True):
            truth = truth_of(sample)
            outputs = reference and _outputs(reference, sample, "the reference model", plan)
            with _naming(sample):
                rows = _rows(plan, outputs, own, truth) if outputs else _own_rows(plan, own, truth)
            if outputs and float_check is not None:
                other = _outputs(float_check, sample, "the float .tflite", plan)
                rows["float_check"] = _check(plan, outputs, other)
            if kernel_check is not None:
                other = _outputs(kernel_check, sample, "the int8 model", plan)
                rows["kernel_check"] = _check(plan, own, other)
            label = int(truth) if isinstance(truth, int | np.integer) else -1
            columns.add(sample.position, sample.name, label, rows)
            advance(len(columns))
        if time.monotonic() - started < _BURST_SECONDS / 2:
            length = min(2 * length, at_once)
    columns.ragged = {key for m in plan.metrics if m.ragged for key in metric_keys(m)}
    return columns


def metric_keys(metric: MetricKind) -> tuple[str, str]:
    """Keys of a metric's rows, for the reference and for int8."""
    return f"{metric.rows}/reference", f"{metric.rows}/int8"


@contextmanager
def _naming(sample: Sample) -> Iterator[None]:
    """Errors name the sample."""
    try:
        yield
    except DataError as error:
        message = f"evaluation: {sample.name}: {error.message}"
        raise DataError(message, hint=error.hint) from error


def _outputs(run: Run, sample: Sample, which: str, plan: Plan) -> Outputs:
    with _naming(sample):
        return _usable(run(sample), which, plan)


def _rows(plan: Plan, reference: Outputs, int8: Outputs, truth: Truth) -> dict[str, Array]:
    rows: dict[str, Array] = {
        "errors": np.array([_errors(reference[name], int8[name]) for name in reference])
    }
    rows["choices"], rows["agreement"] = _choices(plan, reference, int8)
    for metric in plan.metrics:
        for key, outputs in zip(metric_keys(metric), (reference, int8), strict=True):
            if key not in rows:
                rows[key] = metric.row(outputs, reference, truth, plan.settings)
    return rows


def _own_rows(plan: Plan, int8: Outputs, truth: Truth) -> dict[str, Array]:
    return {
        metric_keys(metric)[1]: metric.row(int8, int8, truth, plan.settings)
        for metric in plan.metrics
    }


def _usable(outputs: Outputs, which: str, plan: Plan) -> Outputs:
    """The outputs, without the unused rest of a detector's, which holds whatever was in memory.

    Raises:
        DataError: for NaN, which would count as right wherever it is compared, or infinity.
    """
    names = plan.settings.detection
    if names is not None and names.count is not None:
        count = detection_count(outputs, names)
        for name in (names.boxes, names.classes, names.scores):
            outputs = {**outputs, name: np.array(outputs[name])}
            outputs[name][:, count:] = 0
    for name, value in outputs.items():
        if not np.isfinite(value).all():
            raise DataError(
                f"{which} gives NaN or infinity in output {name}",
                hint="check the preprocessing of this sample, and the model itself",
            )
    return outputs


def _errors(reference: Array, int8: Array) -> list[float]:
    """As columns of `errors`."""
    a, b = (np.ravel(value).astype(np.float64) for value in (reference, int8))
    noise = a - b
    return [
        float((a * a).sum()),
        float((noise * noise).sum()),
        cosine_similarity(a, b),
        float(np.abs(noise).max(initial=0.0)),
    ]


def _choices(plan: Plan, reference: Outputs, int8: Outputs) -> tuple[Floats, Floats]:
    """As columns of `choices`, and whether both choose the same; NaN where nothing is chosen."""
    name, threshold = plan.settings.output, plan.settings.threshold
    first, second = reference[name], int8[name]
    nothing = np.full(5, np.nan), np.full(1, np.nan)
    if plan.choices == "none":
        return nothing
    if plan.choices == "if_probabilities" and not _is_probability(first):
        return nothing
    if plan.choices == "pixels":
        return nothing[0], np.array([agreement_of(first, second, threshold)])
    ours, theirs = np.ravel(first).astype(np.float64), np.ravel(second).astype(np.float64)
    chosen, changed = choice_of(ours, threshold), choice_of(theirs, threshold)
    if len(ours) == 1:
        scores, loss = (ours[0], theirs[0]), abs(ours[0] - theirs[0])
    else:
        scores, loss = (ours[chosen], theirs[changed]), ours[chosen] - theirs[chosen]
    row = np.array([chosen, changed, *scores, loss], dtype=np.float64)
    return row, np.array([float(chosen == changed)])


def _is_probability(value: Array) -> bool:
    flat = np.ravel(value).astype(np.float64)
    return bool(flat.min() >= 0 and abs(flat.sum() - 1) < _DIFFERENT * max(len(flat), 1000))


def _check(plan: Plan, outputs: Outputs, others: Outputs) -> Floats:
    """As columns of `checks`, over all outputs: the same class, else the very same values."""
    name = plan.settings.output
    largest = max(float(np.abs(outputs[n] - others[n]).max(initial=0.0)) for n in outputs)
    if plan.choices in ("classes", "pixels"):
        same = agreement_of(outputs[name], others[name], plan.settings.threshold)
    else:
        same = float(largest == 0)
    return np.array([same, cosine_similarity(outputs[name], others[name]), largest])
