"""Model files of every kind to one float .tflite; one file a format."""

from __future__ import annotations

from pathlib import Path

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.isolation import Json, Limits, run_isolated
from coral_action.loading.float_model import FloatModel, TensorSpec
from coral_action.loading.formats import detect_format
from coral_action.loading.original import open_original

__all__ = ["FloatModel", "TensorSpec", "load_model", "open_original", "request_for"]


def request_for(model: ModelConfig, paths: PathRules) -> Json:
    """What coral.yml says of a model, as plain data for a child process."""
    source = paths.resolve(model.source)
    return {
        "source": str(source),
        "format": detect_format(source),
        "signature": model.signature,
        "inputs": {name: shape and list(shape) for name, shape in model.inputs.items()},
        "outputs": model.outputs,
    }


def load_model(
    model: ModelConfig, paths: PathRules, target: Path, limits: Limits | None = None
) -> FloatModel:
    """Convert the model's source to a float .tflite at `target`, in a child process.

    Raises:
        ModelError: if it can't be loaded or converted.
    """
    request = {**request_for(model, paths), "output": str(target)}
    result = run_isolated(
        "coral_action.loading.child:load_task", request, stage="loading", limits=limits
    )
    return FloatModel.from_json(result)
