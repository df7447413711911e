"""The original model over the evaluation data, in TensorFlow: `reference: original`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.evaluation.stored import OutputWriter
from coral_action.evaluation.worker import open_evaluation
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel, open_original


def original_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Write the outputs for the samples to `request["folder"]`, for `StoredOutputs`."""
    samples = open_evaluation(request)
    model = FloatModel.from_json(request["model"])
    run = open_original(request["load"])
    shapes = {spec.name: spec.shape for spec in model.outputs}
    # A part may have no samples, and an empty file can't be mapped.
    writer = OutputWriter(Path(request["folder"]), shapes, max(1, len(samples)))
    for done, sample in enumerate(samples, start=1):
        writer.add(sample.name, run(sample.inputs))
        progress(done, len(samples))
    writer.close()
    return {}
