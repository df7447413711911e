"""What int8 cost: float and int8 on the same data, and whether the difference is real."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import SampleStatistics, merged
from coral_action.errors import DataError, UsageError
from coral_action.evaluation.columns import Columns, merge
from coral_action.evaluation.flips import class_losses, confusion, flips
from coral_action.evaluation.noticed import is_structural, notice
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
from coral_action.evaluation.summary import (
    agreement,
    kernel_check,
    measure,
    output_errors,
    reference_check,
)
from coral_action.isolation import Json, Limits, ProgressCallback, run_isolated
from coral_action.loading import FloatModel, request_for
from coral_action.workers import run_in_workers, worker_count

__all__ = [
    "Accuracy",
    "ClassLoss",
    "Confusion",
    "Flip",
    "Flips",
    "KernelCheck",
    "Metric",
    "OutputError",
    "ReferenceCheck",
    "evaluate",
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
    options = config.evaluation
    if options is None:
        raise ValueError("the model has no evaluation data")
    _refuse_custom_code(options, allow_custom_code)
    with tempfile.TemporaryDirectory(prefix="coral-") as folder:
        request: Json = {
            "model": model.to_json(),
            "int8": str(int8),
            "evaluation": options.model_dump(mode="json"),
            "preprocess": config.preprocess.model_dump(mode="json"),
            "paths": paths.to_json(),
            "allow_custom_code": allow_custom_code,
            "reference": None,
            "stored": known_float_outputs and str(known_float_outputs),
            "output": str(Path(folder) / "rows"),
        }
        _set_reference(request, config, paths, Path(folder), limits)
        results = run_in_workers(
            "coral_action.evaluation.worker:evaluate_task",
            request,
            workers or worker_count(),
            stage="evaluation",
            limits=limits,
            on_progress=on_progress,
        )
        shards = [
            Columns.load(Path(f"{request['output']}-{i}.npz"))
            for i, result in enumerate(results)
            if result["metrics"]
        ]
    return _summarize(config, options, model, merge(shards, int(results[0]["total"])), results)


def _refuse_custom_code(options: EvaluationOptions, allowed: bool) -> None:
    for choice in options.metrics or []:
        if choice.python is not None and not allowed:
            raise UsageError(
                f"evaluation.metrics names {choice.python}, but custom code is not allowed",
                hint="allow it with --allow-custom-code, or the action's input allow-custom-code",
            )


def _set_reference(
    request: Json,
    config: ModelConfig,
    paths: PathRules,
    folder: Path,
    limits: Limits | None,
) -> None:
    """Say in the request what int8 is held against; the original model runs here."""
    reference = config.evaluation.reference if config.evaluation else "float"
    if reference == "float":
        return
    request["stored"] = None
    if reference != "original":
        path = paths.resolve(reference)
        if not path.is_file():
            raise DataError(
                f"evaluation.reference: {reference}: no such file",
                hint="it is float, original, or the path of a .tflite",
            )
        request["reference"] = str(path)
        return
    original = folder / "original"
    original.mkdir()
    run_isolated(
        "coral_action.evaluation.original:original_task",
        {
            **request,
            "load": request_for(config, paths, request["allow_custom_code"]),
            "folder": str(original),
        },
        stage="evaluation of the original model",
        limits=limits,
    )
    request["stored"], request["reference"] = str(original), "original"


def _summarize(
    config: ModelConfig,
    options: EvaluationOptions,
    model: FloatModel,
    columns: Columns,
    results: list[dict[str, Any]],
) -> Accuracy:
    if not len(columns):
        raise DataError("evaluation: no samples", hint="the data named in coral.yml is empty")
    limit = config.limits.accuracy_drop
    level = (limit and limit.confidence) or CONFIDENCE
    names = {int(n): name for result in results for n, name in result["classes"].items()}
    pictures = {name: uri for result in results for name, uri in result["thumbnails"].items()}
    metrics = kinds(options, next(r["metrics"] for r in results if r["metrics"]), {})
    kernels = ("builtin", "xnnpack") if options.exact else ("xnnpack", "builtin")
    agrees = agreement(columns)
    accuracy = Accuracy(
        samples=len(columns),
        agreement=agrees,
        kernels=kernels[0],
        metrics=tuple(measure(kind, columns, level) for kind in metrics),
        reference=options.reference,
        flips=flips(columns, names, pictures),
        classes=class_losses(columns, names),
        confusion=confusion(columns, names),
        outputs=output_errors(columns, [spec.name for spec in model.outputs]),
        kernel_check=kernel_check(columns, *kernels),
        reference_check=reference_check(columns, options.reference, agrees is not None),
    )
    return replace(
        accuracy,
        structural=is_structural(accuracy),
        findings=notice(accuracy, config.limits),
        statistics=merged([SampleStatistics.from_json(r["statistics"]) for r in results]),
    )
