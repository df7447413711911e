"""A folder of tiny models, and a quick way to load them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.loading import FloatModel, load_model
from tests.loading.foreign_files import write_foreign_files, write_onnx_files
from tests.loading.fork_server import PROJECT, ForkServer

Load = Callable[..., FloatModel]


def make_zoo(folder: Path, digits: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.loading.make_models", str(folder), str(digits)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    write_foreign_files(folder)
    write_onnx_files(folder, digits)


def model_config(source: Path, **config: Any) -> ModelConfig:
    return ModelConfig.model_validate(
        {"name": "model", "source": str(source), "calibration": {"npy": "none.npy"}, **config}
    )


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The folder of all models that `tests.loading.cases` names."""
    folder = tmp_path_factory.mktemp("zoo")
    make_zoo(folder, digits)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture
def load(server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """`load_model` with children that are forks of a process with TensorFlow."""
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)

    def load(source: Path, *, allow_custom_code: bool = False, **config: Any) -> FloatModel:
        return load_model(
            model_config(source, **config),
            PathRules(tmp_path),
            tmp_path / "float.tflite",
            allow_custom_code=allow_custom_code,
        )

    return load
