"""The short way for plain SavedModels against the recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import ModelError
from coral_action.inference import Runner
from coral_action.loading import load_model
from coral_action.tflite import read_model


def load(digits: Path, target: Path, **keys: object) -> Path:
    config = ModelConfig(
        name="m",
        source=str(digits / "saved_model"),
        calibration=CalibrationConfig(npy="none.npy"),
        **keys,
    )

    return load_model(config, PathRules(digits), target).path


def test_same_model_as_the_recipe_makes(digits: Path, tmp_path: Path) -> None:
    light = load(digits, tmp_path / "light.tflite")
    (name,) = read_model(light).output_names()
    # Naming the outputs takes the recipe.
    recipe = load(digits, tmp_path / "recipe.tflite", outputs=[name])
    models = [read_model(path) for path in (light, recipe)]
    assert [op.name for op in models[0].operators] == [op.name for op in models[1].operators]
    assert models[0].input_names().keys() == models[1].input_names().keys()
    assert models[0].tensors[models[0].inputs[0]].shape == (1, 28, 28, 1)
    assert not any(-1 in tensor.shape for tensor in models[0].tensors)
    generator = np.random.default_rng(0)
    runners = [
        Runner(path, model.input_names(), model.output_names())
        for path, model in zip((light, recipe), models, strict=True)
    ]
    for _ in range(5):
        sample = generator.normal(size=(1, 28, 28, 1)).astype(np.float32)
        results = [r.run({next(iter(models[0].input_names())): sample})[name] for r in runners]
        np.testing.assert_allclose(results[0], results[1], atol=1e-6)


def test_errors_are_those_of_the_recipe(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no signature named nope"):
        config = ModelConfig(
            name="m",
            source=str(digits / "saved_model"),
            signature="nope",
            calibration=CalibrationConfig(npy="none.npy"),
        )
        load_model(config, PathRules(digits), tmp_path / "x.tflite")
