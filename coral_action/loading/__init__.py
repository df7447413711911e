"""Model files of every kind to one float .tflite; one file a format."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.config.paths import PathRules
from coral_action.findings import Finding
from coral_action.isolation import Json, Limits, run_isolated, workspace
from coral_action.loading.conversion_check import conversion_findings
from coral_action.loading.float_model import FloatModel, TensorSpec
from coral_action.loading.formats import detect_format
from coral_action.loading.original import open_original

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig

__all__ = [
    "FloatModel",
    "TensorSpec",
    "check_conversion",
    "detect_format",
    "load_model",
    "open_original",
    "request_for",
]


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
    request = request_for(model, paths, allow_custom_code)
    result = run_isolated(
        "coral_action.loading.child:load_task",
        request,
        stage="loading",
        limits=limits,
        reading=workspace(paths.root, paths.downloads.values()).and_also(Path(request["source"])),
        outputs={"output": target},
    )
    return FloatModel.from_json({**result, "path": str(target)})


def check_conversion(
    config: ModelConfig,
    model: FloatModel,
    paths: PathRules,
    *,
    limits: Limits | None = None,
    allow_custom_code: bool = False,
) -> tuple[Finding, ...]:
    """Hold a float .tflite against the original in TensorFlow (CQ510), in a child process.

    Raises:
        ModelError: if TensorFlow can't load the original.
    """
    request = {"load": request_for(config, paths, allow_custom_code), "model": model.to_json()}
    task = "coral_action.loading.original:check_task"
    result = run_isolated(
        task,
        request,
        stage="checking the conversion",
        limits=limits,
        reading=workspace(paths.root, paths.downloads.values()).and_also(model.path),
    )
    return conversion_findings(result["error"])


def request_for(model: ModelConfig, paths: PathRules, allow_custom_code: bool = False) -> Json:
    """What coral.yml says of a model, as plain data for a child process."""
    return {
        "source": str(paths.resolve(model.source)),
        "signature": model.signature,
        "inputs": {name: shape and list(shape) for name, shape in model.inputs.items()},
        "outputs": model.outputs,
        "input_shapes": {name: list(shape) for name, shape in model.input_shapes.items()},
        "constants": model.constants,
        "allow_custom_code": allow_custom_code,
    }
