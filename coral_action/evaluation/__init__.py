"""What int8 cost: float and int8 on the same data, and whether the difference is real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.config.paths import PathRules
from coral_action.evaluation.flips import all_labels, class_losses, confusion, flips
from coral_action.evaluation.gather import Gathered, gather, join
from coral_action.evaluation.metrics import MetricKind
from coral_action.evaluation.noticed import is_structural, notice, require_limited_metric
from coral_action.evaluation.plan import kinds
from coral_action.evaluation.result import (
    Accuracy,
    ClassLoss,
    Confusion,
    Flip,
    Flips,
    KernelCheck,
    Metric,
    OutputError,
    ReferenceCheck,
)
from coral_action.evaluation.shard import Scoring, Shard, ShardFile
from coral_action.evaluation.summary import (
    agreement,
    has_reference,
    kernel_check,
    measure,
    only_background,
    output_errors,
    reference_check,
)
from coral_action.isolation import Limits, ProgressCallback
from coral_action.loading import FloatModel
from coral_action.workers import worker_count

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig

__all__ = [
    "Accuracy",
    "ClassLoss",
    "Confusion",
    "Flip",
    "Flips",
    "Gathered",
    "KernelCheck",
    "Metric",
    "OutputError",
    "ReferenceCheck",
    "Scoring",
    "Shard",
    "ShardFile",
    "evaluate",
    "evaluate_shard",
    "join",
    "notice",
    "require_limited_metric",
    "score",
]

CONFIDENCE = 0.95


def evaluate(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    *,
    allow_custom_code: bool = False,
    known_float_outputs: Path | None = None,
    workers: int | None = None,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Accuracy:
    """Run both models over the evaluation data, in child processes.

    Args:
        config: the model's part of coral.yml.
        model: the float .tflite.
        int8: the quantized .tflite.
        paths: rules for paths in coral.yml.
        allow_custom_code: whether a Python function of the user's may run.
        known_float_outputs: float outputs of some samples, as `StoredOutputs` reads them.
        workers: child processes at a time; None for one a core. It changes no result.
        limits: of each child process.
        on_progress: called with (done, total).

    Raises:
        DataError: if the data can't be read, or don't fit the model.
        UsageError: if a metric is a Python function and custom code is not allowed.
    """
    gathered = gather(
        config,
        model,
        int8,
        paths,
        allow_custom_code=allow_custom_code,
        known_float_outputs=known_float_outputs,
        workers=workers or worker_count(),
        limits=limits,
        on_progress=on_progress,
    )
    return score(Scoring.of(config, model), gathered)


def evaluate_shard(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    shard: Shard,
    *,
    allow_custom_code: bool = False,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Gathered:
    """What was measured of one shard of the samples; arguments and errors as of `evaluate`."""
    return gather(
        config,
        model,
        int8,
        paths,
        part=(shard.index - 1, shard.count),
        allow_custom_code=allow_custom_code,
        known_float_outputs=None,
        workers=worker_count(),
        limits=limits,
        on_progress=on_progress,
    )


def score(scoring: Scoring, gathered: Gathered) -> Accuracy:
    """The result of all that was measured; it runs no model and reads no file."""
    options, columns, names = scoring.options, gathered.columns, gathered.class_names
    limit = scoring.limits.accuracy_drop
    level = (limit and limit.confidence) or CONFIDENCE
    agrees = agreement(columns)
    known = kinds(options, gathered.metrics, {})
    metrics = (measure(kind, columns, level) for kind in known)
    accuracy = Accuracy(
        samples=len(columns),
        agreement=agrees,
        kernels=gathered.kernels,
        metrics=tuple(metric for metric in metrics if metric is not None),
        asked=gathered.metrics,
        reference=options.reference if has_reference(columns) else "none",
        flips=flips(columns, names, gathered.thumbnails),
        classes=class_losses(columns, names),
        confusion=confusion(columns, names),
        outputs=output_errors(columns, scoring.outputs),
        labels=all_labels(names),
        kernel_check=kernel_check(columns, gathered.kernels, "xnnpack"),
        reference_check=reference_check(columns, options.reference, agrees is not None),
        class_folders=_class_folders(gathered, known),
        only_background=only_background(known, columns),
    )
    require_limited_metric(accuracy, scoring.limits)
    return replace(
        accuracy,
        structural=is_structural(accuracy),
        findings=notice(accuracy, scoring.limits),
        statistics=gathered.statistics,
    )


def _class_folders(gathered: Gathered, known: Sequence[MetricKind]) -> tuple[int, int] | None:
    """How many class folders and how many scores there are; None where they fit each other."""
    counts = len(gathered.class_names), gathered.scores
    chosen = any(kind.task == "classes" for kind in known)
    return counts if chosen and gathered.scores and counts[0] != counts[1] else None
