"""What int8 cost: float and int8 on the same labelled data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
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
from coral_action.inference import KERNELS
from coral_action.isolation import Limits, ProgressCallback, run_isolated
from coral_action.loading import FloatModel

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


def evaluate(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Accuracy:
    """Run both models over the evaluation data, in a child process.

    Raises:
        DataError: if the data can't be read, or don't fit the model.
    """
    if config.evaluation is None:
        raise ValueError("the model has no evaluation data")
    request: dict[str, Any] = {
        "model": model.to_json(),
        "int8": str(int8),
        "evaluation": config.evaluation.model_dump(mode="json"),
        "preprocess": config.preprocess.model_dump(mode="json"),
        "paths": paths.to_json(),
    }
    result = run_isolated(
        "coral_action.evaluation.compare:evaluate_task",
        request,
        stage="evaluation",
        limits=limits,
        on_progress=on_progress,
    )
    return Accuracy(
        samples=int(result["samples"]),
        agreement=float(result["agreement"]),
        kernels=KERNELS,
        metrics=tuple(
            Metric(str(item["name"]), float(item["float"]), float(item["int8"]))
            for item in result["metrics"]
        ),
    )
