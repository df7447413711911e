"""Model files of every kind to one float .tflite; one file a format."""

from __future__ import annotations

from pathlib import Path

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.isolation import Limits, run_isolated
from coral_action.loading.float_model import FloatModel, TensorSpec

__all__ = ["FloatModel", "TensorSpec", "load_model"]


def load_model(
    model: ModelConfig,
    paths: PathRules,
    target: Path,
    limits: Limits | None = None,
    *,
    allow_custom_code: bool = False,
) -> FloatModel:
    """Convert the model's source to a float .tflite at `target`, in a child process.

    Nothing of the source is read in this process.

    Args:
        model: the model's section of coral.yml.
        paths: where its paths begin.
        target: the file to write, in a folder that exists.
        limits: time and memory of the child.
        allow_custom_code: run code that is in the model file (Lambda layers and the like). It comes
            from the command line or the action's input, never from coral.yml.

    Raises:
        ModelError: if it can't be loaded or converted.
        StageCrashError: if the child died or ran out of time or memory.
    """
    request = {
        "source": str(paths.resolve(model.source)),
        "signature": model.signature,
        "inputs": {name: shape and list(shape) for name, shape in model.inputs.items()},
        "outputs": model.outputs,
        "input_shapes": {name: list(shape) for name, shape in model.input_shapes.items()},
        "constants": model.constants,
        "allow_custom_code": allow_custom_code,
        "output": str(target),
    }
    result = run_isolated(
        "coral_action.loading.child:load_task", request, stage="loading", limits=limits
    )
    return FloatModel.from_json(result)
