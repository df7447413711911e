"""The task of one worker process: its shard of the samples, through the float model, to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.config.data_schema import CalibrationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import Samples, SampleStatistics, open_samples
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel
from coral_action.quantization.observation.watch import observe


def open_calibration(request: dict[str, Any]) -> Samples:
    """The representative dataset that a request names."""
    return open_samples(
        CalibrationConfig.model_validate(request["calibration"]),
        PreprocessConfig.model_validate(request["preprocess"]),
        PathRules.from_json(request["paths"]),
        FloatModel.from_json(request["model"]).inputs,
        allow_custom_code=request["allow_custom_code"] is True,
    )


def observe_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Observe shard `request["shard"]` = [index, count]; the result goes to `request["output"]`."""
    index, count = request["shard"]
    samples = open_calibration(request).shard(index, count)
    statistics = SampleStatistics(samples.profile)
    observed = observe(
        Path(request["float"]).read_bytes(),
        statistics.watching(samples),
        total=len(samples),
        bins=request["bins"],
        progress=progress,
    )
    observed.save(Path(request["output"]))
    return {"samples": observed.samples, "statistics": statistics.to_json()}
