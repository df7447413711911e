"""The parent's side: child processes run the models, and their rows come together here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import SampleStatistics, merged
from coral_action.errors import DataError, UsageError
from coral_action.evaluation.columns import Columns, merge
from coral_action.isolation import (
    Json,
    Limits,
    ProgressCallback,
    run_isolated,
    scratch_folder,
    workspace,
)
from coral_action.loading import FloatModel, request_for
from coral_action.workers import run_in_workers


@dataclass(frozen=True)
class Gathered:
    """What the workers found: rows of all samples, and what goes with them."""

    columns: Columns
    metrics: tuple[str, ...]
    class_names: dict[int, str]
    thumbnails: dict[str, str]  # of the samples that flipped worst, by name
    statistics: SampleStatistics
    kernels: str  # that ran int8


def gather(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    *,
    allow_custom_code: bool,
    known_float_outputs: Path | None,
    workers: int,
    limits: Limits | None,
    on_progress: ProgressCallback | None,
) -> Gathered:
    """Run the reference and int8 over all samples; arguments and errors as of `evaluate`."""
    options = config.evaluation
    if options is None:
        raise ValueError("the model has no evaluation data")
    _refuse_custom_code(options, allow_custom_code)
    _refuse_cut_images(config)
    with scratch_folder() as folder:
        reading = workspace(paths.root).and_also(model.path, int8, known_float_outputs)
        request: Json = {
            "model": model.to_json(),
            "int8": str(int8),
            "evaluation": options.model_dump(mode="json"),
            "preprocess": config.preprocess.model_dump(mode="json"),
            "paths": paths.to_json(),
            "allow_custom_code": allow_custom_code,
            "reference": None,
            "stored": known_float_outputs and str(known_float_outputs),
        }
        if options.reference == "original":
            original = folder / "original"
            original.mkdir()
            run_isolated(
                "coral_action.evaluation.original:original_task",
                {
                    **request,
                    "load": request_for(config, paths, allow_custom_code),
                    "folder": str(original),
                },
                stage="evaluation of the original model",
                limits=limits,
                on_progress=on_progress,
                reading=reading,
                writable=[original],
            )
            reading = reading.and_also(original)
            request |= {"stored": str(original), "reference": "original"}
        elif options.reference != "float":
            request |= {"stored": None, "reference": str(_existing(options.reference, paths))}
        results = run_in_workers(
            "coral_action.evaluation.worker:evaluate_task",
            request,
            workers,
            stage="evaluation",
            limits=limits,
            on_progress=on_progress,
            reading=reading,
            outputs=lambda index: {"output": folder / f"rows-{index}.npz"},
        )
        shards = [
            Columns.load(folder / f"rows-{i}.npz")
            for i, result in enumerate(results)
            if result["metrics"]
        ]
    if not shards:
        raise DataError("evaluation: no samples", hint="the data named in coral.yml are empty")
    return Gathered(
        merge(shards, int(results[0]["total"])),
        next(tuple(result["metrics"]) for result in results if result["metrics"]),
        {int(number): name for result in results for number, name in result["classes"].items()},
        {sample: uri for result in results for sample, uri in result["thumbnails"].items()},
        merged([SampleStatistics.from_json(result["statistics"]) for result in results]),
        next(str(result["kernels"]) for result in results if result["metrics"]),
    )


def _refuse_custom_code(options: EvaluationOptions, allowed: bool) -> None:
    for choice in options.metrics or []:
        if choice.python is not None and not allowed:
            raise UsageError(
                f"evaluation.metrics names {choice.python}, but custom code is not allowed",
                hint="allow it with --allow-custom-code, or the action's input allow-custom-code",
            )


def _refuse_cut_images(config: ModelConfig) -> None:
    """Boxes are relative to the whole image, so the model has to see the whole image, and no more.

    Raises:
        DataError: if images are letterboxed or cropped.
    """
    mode = getattr(config.preprocess.resize, "mode", "stretch")
    if config.evaluation and config.evaluation.boxes and mode != "stretch":
        raise DataError(
            f"evaluation.boxes are relative to the image, but preprocess.resize is {mode}",
            hint="evaluate with `mode: stretch`, or give boxes of images that are cut already",
        )


def _existing(reference: str, paths: PathRules) -> Path:
    path = paths.resolve(reference)
    if not path.is_file():
        raise DataError(
            f"evaluation.reference: {reference}: no such file",
            hint="it is float, original, or the path of a .tflite",
        )
    return path
