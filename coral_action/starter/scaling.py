"""Which preset a model was trained with: the one with which its float version gets most right."""

from __future__ import annotations

from typing import Any, get_args

from coral_action.config.data_schema import EvaluationConfig, PreprocessConfig, PresetName
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import open_samples
from coral_action.errors import CoralQuantizeError, DataError
from coral_action.inference import Runner
from coral_action.isolation import ProgressCallback, run_isolated, scratch_folder, workspace
from coral_action.loading import FloatModel, load_model
from coral_action.tflite import read_model

PRESETS: tuple[str, ...] = get_args(PresetName)
_SAMPLES = 100


def measured_presets(paths: PathRules, source: str, images: str) -> dict[str, float]:
    """Top-1 of the float model with each preset, best first; empty where it can't be measured.

    Args:
        paths: where they begin, and what they may not leave.
        source: the model.
        images: images in class folders, numbered in sorted order.
    """
    config = ModelConfig.model_validate(
        {"name": "trial", "source": source, "calibration": {"images": images}}
    )
    with scratch_folder() as scratch:
        try:
            model = load_model(config, paths, scratch / "float.tflite")
            found = run_isolated(
                "coral_action.starter.scaling:measure_task",
                {"model": model.to_json(), "images": images, "paths": paths.to_json()},
                stage="trying presets",
                reading=workspace(paths.root, paths.downloads.values()).and_also(model.path),
            )
        except CoralQuantizeError:
            return {}
    scores = {str(name): float(score) for name, score in found["scores"].items()}
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def measure_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """The child process's side: the fraction of at most 100 images that each preset gets right."""
    model = FloatModel.from_json(request["model"])
    held = read_model(model.path)
    runner = Runner(model.path, held.input_names(), held.output_names())
    data = EvaluationConfig(images=request["images"], labels="folders", samples=_SAMPLES)
    scores = {}
    for done, preset in enumerate(PRESETS):
        config = PreprocessConfig.model_validate({"preset": preset})
        paths = PathRules.from_json(request["paths"])
        try:
            samples = open_samples(data, config, paths, model.inputs)
        except DataError:
            continue  # three channels' means for a model of one
        right = [
            int(next(iter(runner.run(sample.inputs).values())).argmax()) == sample.label
            for sample in samples
        ]
        scores[preset] = sum(right) / len(right)
        progress(done + 1, len(PRESETS))
    return {"scores": scores}
