"""What tests of quantization share: the models of zoo.py, and all their inner values.

Test modules import the fixtures by name: a second conftest.py would shadow that of the project.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import Sample
from coral_action.loading import FloatModel
from coral_action.loading.float_model import interface_of
from coral_action.quantization import Int8Model, quantize_model, start_crew
from coral_action.quantization.graph import Graph
from coral_action.tflite import read_model

Quantize = Callable[..., Int8Model]


class Zoo:
    """The models of zoo.py with their samples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.tflite"

    def content(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def samples(self, name: str, count: int = 100) -> list[Sample]:
        array = np.load(self.folder / f"{name}.npy")[:count]
        return [
            Sample(f"{name}.npy[{i}]", {"x": s[None]}, None, position=i)
            for i, s in enumerate(array)
        ]

    def float_model(self, name: str) -> FloatModel:
        path = self.path(name)
        return FloatModel(path, "saved_model", **interface_of(read_model(path)))


def every_tensor(content: bytes, samples: list) -> dict[int, np.ndarray]:
    """All values of all float activations, from litert's own kernels and plain outputs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = Graph(content)
    inner = [i for i, op in graph.activations() if op is not None and graph.is_float(i)]
    graph.outputs = inner
    graph.model.signatureDefs = []
    interpreter = Interpreter(
        model_content=graph.pack(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    (place,) = graph.inputs
    values: dict[int, list[np.ndarray]] = {i: [] for i in [place, *inner]}
    for sample in samples:
        interpreter.set_tensor(place, sample.inputs["x"])
        interpreter.invoke()
        for index in values:
            values[index].append(interpreter.get_tensor(index))
    return {index: np.stack(arrays) for index, arrays in values.items()}


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    # Every module that imports this fixture has one of its own; the models are made once.
    folder = tmp_path_factory.getbasetemp() / "zoo"
    if not folder.exists():
        folder.mkdir()
        script = Path(__file__).with_name("zoo.py")
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0", "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, script, folder]
        subprocess.run(command, check=True, env=environment, capture_output=True)
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
        zoo: Zoo = zoo,
        **keys: object,
    ) -> Int8Model:
        source = data or zoo.folder / f"{name}.npy"
        config = ModelConfig(
            name=name,
            source=str(zoo.path(name)),
            calibration=CalibrationConfig(
                **{source.suffix[1:]: str(source)}, **(calibration or {})
            ),
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
