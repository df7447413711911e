"""Watching the float model at work: the range of each activation over the calibration samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.config.data_schema import CalibrationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import Samples, open_samples
from coral_action.errors import DataError
from coral_action.inference import Runner
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel
from coral_action.tflite import TfliteModel, read_model


@dataclass(frozen=True)
class Observed:
    """Smallest and largest value of each float activation by tensor index; number of samples."""

    ranges: dict[int, tuple[float, float]]
    samples: int


def observe(
    path: Path, model: TfliteModel, samples: Samples, progress: ProgressCallback
) -> Observed:
    """Run the samples through the float model and watch every float activation.

    Raises:
        DataError: if a sample drives a tensor to NaN or infinity.
    """
    runner = Runner(path, model.input_names(), model.output_names(), keep_all_tensors=True)
    watched = [
        t.index
        for t in model.tensors
        if t.type == "FLOAT32" and not t.is_constant and 0 not in t.shape
    ]
    views = [runner.view(index) for index in watched]
    low = np.full(len(watched), np.inf)
    high = np.full(len(watched), -np.inf)
    done = 0
    for sample in samples:
        runner.run(sample.inputs)
        # np.minimum hands NaN on, where Python's min may drop it.
        low = np.minimum(low, [view().min() for view in views])
        high = np.maximum(high, [view().max() for view in views])
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            bad = int(np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))[0])
            raise DataError(
                f"calibration: {sample.name} makes the float model's tensor "
                f"{model.tensors[watched[bad]].name} NaN or infinite",
                hint="the float model itself fails on this sample: check its preprocessing",
            )
        done += 1
        progress(done, len(samples))
    ranges = zip(low.tolist(), high.tolist(), strict=True)
    return Observed(dict(zip(watched, ranges, strict=True)), done)


def observe_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """The child process's side: open the samples, observe, return the ranges."""
    model = FloatModel.from_json(request["model"])
    samples = open_samples(
        CalibrationConfig.model_validate(request["calibration"]),
        PreprocessConfig.model_validate(request["preprocess"]),
        PathRules.from_json(request["paths"]),
        model.inputs,
    )
    observed = observe(model.path, read_model(model.path), samples, progress)
    return {
        "ranges": [[index, low, high] for index, (low, high) in observed.ranges.items()],
        "samples": observed.samples,
    }
