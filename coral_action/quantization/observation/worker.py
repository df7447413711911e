"""The task of one worker process: its shard of the samples, through the float model, to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.config.data_schema import PreprocessConfig
from coral_action.data import (
    EarlyImages,
    Samples,
    SampleStatistics,
    SheetTiles,
    requested_samples,
)
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel
from coral_action.quantization.observation.watch import observe


def open_calibration(request: dict[str, Any], early: EarlyImages | None = None) -> Samples:
    """The representative dataset that a request names."""
    model = FloatModel.from_json(request["model"])
    return requested_samples(request, "calibration", model.inputs, early)


def observe_task(
    request: dict[str, Any], progress: ProgressCallback, early: EarlyImages | None = None
) -> dict[str, Any]:
    """Observe shard `request["shard"]` = [index, count]; results go to files.

    To `request["output"]` what was seen, to `request["tiles"]` pictures of a few samples. `early`
    are images that need not be decoded any more.
    """
    index, count = request["shard"]
    every = open_calibration(request, early)
    samples = every.for_worker(index, count)
    statistics = SampleStatistics(samples.profile)
    preprocess = PreprocessConfig.model_validate(request["preprocess"])
    tiles = SheetTiles(samples.profile, preprocess, len(every))
    observed = observe(
        Path(request["float"]).read_bytes(),
        tiles.watching(statistics.watching(samples)),
        total=len(samples),
        bins=request["bins"],
        progress=progress,
    )
    observed.save(Path(request["output"]))
    tiles.save(Path(request["tiles"]))
    return {"samples": observed.samples, "statistics": statistics.to_json()}
