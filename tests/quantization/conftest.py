"""Small real models, made once by TensorFlow in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from zoo_support import Quantize, Zoo

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.quantization import Int8Model, quantize_model, start_crew


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    folder = tmp_path_factory.mktemp("zoo")
    script = Path(__file__).with_name("zoo.py")
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(
        [sys.executable, script, folder], check=True, env=environment, capture_output=True
    )
    return Zoo(folder)


@pytest.fixture
def quantized(zoo: Zoo, tmp_path: Path) -> Quantize:
    """quantize_model on a model of the zoo, with the keys of coral.yml as keywords."""

    def run(
        name: str,
        *,
        workers: int | None = None,
        data: Path | None = None,
        float_outputs: Path | None = None,
        calibration: dict[str, object] | None = None,
        **keys: object,
    ) -> Int8Model:
        source = data or zoo.folder / f"{name}.npy"
        config = ModelConfig(
            name=name,
            source=str(zoo.path(name)),
            calibration=CalibrationConfig(npy=str(source), **(calibration or {})),
            **keys,
        )
        with start_crew(config, workers=workers) as crew:
            return quantize_model(
                config,
                zoo.float_model(name),
                PathRules(tmp_path),
                tmp_path / f"{name}_int8.tflite",
                crew=crew,
                float_outputs=float_outputs,
            )

    return run
