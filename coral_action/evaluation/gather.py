"""The parent's side: child processes run the models, and their rows come together here.

`Gathered` is all that an evaluation measures: what is scored, and what one shard of a larger one
hands on to be joined with the others (`join`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.paths import PathRules
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

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig


@dataclass(frozen=True)
class Gathered:
    """What the workers found: rows of all samples, and what goes with them."""

    columns: Columns
    metrics: tuple[str, ...]
    class_names: dict[int, str]
    thumbnails: dict[str, str]  # of the samples that flipped worst, by name
    statistics: SampleStatistics
    kernels: str  # that ran int8
    scores: int = 0  # of the model, where class folders have their numbers; else 0

    def facts(self) -> dict[str, Any]:
        """All but the columns, as plain data."""
        return {
            "metrics": list(self.metrics),
            "class_names": {str(number): name for number, name in self.class_names.items()},
            "thumbnails": self.thumbnails,
            "statistics": self.statistics.to_json(),
            "kernels": self.kernels,
            "scores": self.scores,
        }

    @classmethod
    def from_facts(cls, columns: Columns, facts: dict[str, Any]) -> Gathered:
        """The inverse of `facts`."""
        return cls(
            columns,
            tuple(str(name) for name in facts["metrics"]),
            {int(number): str(name) for number, name in facts["class_names"].items()},
            {str(name): str(uri) for name, uri in facts["thumbnails"].items()},
            SampleStatistics.from_json(facts["statistics"]),
            str(facts["kernels"]),
            int(facts["scores"]),
        )


def join(parts: Sequence[Gathered]) -> Gathered:
    """The whole from its parts: the same, to the last bit, however the samples were shared out.

    Raises:
        DataError: if the parts have different labels or kernels, hold too many bad files between
            them, or nothing at all.
        ValueError: if a sample is in two of them.
    """
    statistics = merged([part.statistics for part in parts])
    full = [part for part in parts if part.metrics]
    if not full:
        raise DataError("evaluation: no samples", hint="the data named in coral.yml are empty")
    for what in ("metrics", "kernels"):
        if len({getattr(part, what) for part in full}) > 1:
            found = ", ".join(str(getattr(part, what)) for part in full)
            raise DataError(f"evaluation: parts of the samples have different {what}: {found}")
    return Gathered(
        merge([part.columns for part in full]),
        full[0].metrics,
        {number: name for part in parts for number, name in part.class_names.items()},
        {sample: uri for part in full for sample, uri in part.thumbnails.items()},
        statistics,
        full[0].kernels,
        full[0].scores,
    )


def gather(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    *,
    part: tuple[int, int] | None = None,
    allow_custom_code: bool,
    known_float_outputs: Path | None,
    workers: int,
    limits: Limits | None,
    on_progress: ProgressCallback | None,
) -> Gathered:
    """Run the reference and int8 over all samples, or over every n-th from the i-th on.

    Args and errors as of `evaluate`; with `part` (i, n), what is found can be empty.
    """
    options = config.evaluation
    if options is None:
        raise ValueError("the model has no evaluation data")
    _refuse_custom_code(options, allow_custom_code)
    _refuse_cut_images(config)
    with scratch_folder() as folder:
        reading = workspace(paths.root, paths.downloads.values()).and_also(
            model.path, int8, known_float_outputs
        )
        request: Json = {
            "model": model.to_json(),
            "int8": str(int8),
            "evaluation": options.model_dump(mode="json"),
            "preprocess": config.preprocess.model_dump(mode="json"),
            "paths": paths.to_json(),
            "allow_custom_code": allow_custom_code,
            "reference": None,
            "stored": known_float_outputs and str(known_float_outputs),
            "part": part,
        }
        if options.reference == "original" and not model.already_quantized:
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
        elif options.reference not in ("float", "original"):
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
        parts = []
        for index, result in enumerate(results):
            path = folder / f"rows-{index}.npz"
            columns = Columns.load(path) if result["metrics"] else Columns()
            parts.append(Gathered.from_facts(columns, result))
    if part is not None and not any(found.metrics for found in parts):
        return replace(parts[0], statistics=_noted([found.statistics for found in parts]))
    return join(parts)


def _noted(parts: Sequence[SampleStatistics]) -> SampleStatistics:
    """Bad files of a part that has no good one; whether that is too many is seen in the whole."""
    whole = SampleStatistics(parts[0].profile)
    for part in parts:
        whole.merge(part)
    return whole


def _refuse_custom_code(options: EvaluationOptions, allowed: bool) -> None:
    for choice in options.metrics or []:
        if choice.python is not None and not allowed:
            raise UsageError(
                f"evaluation.metrics names {choice.python}, but custom code is not allowed",
                hint="allow it with --allow-custom-code, or the action's input allow-custom-code",
                topic="custom-code",
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
