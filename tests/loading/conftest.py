"""A folder of tiny models, and a quick way to load them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loading.foreign_files import write_foreign_files, write_onnx_files
from tests.loading.fork_server import PROJECT, ForkServer
from tests.loading.outcomes import Outcomes


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """The folder of all models that `tests.loading.cases` names."""
    folder = tmp_path_factory.mktemp("zoo")
    make_zoo(folder, digits)
    return folder


def make_zoo(folder: Path, digits: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "tests.loading.make_models", str(folder), str(digits)],
        cwd=PROJECT,
        check=True,
        capture_output=True,
    )
    write_foreign_files(folder)
    write_onnx_files(folder, digits)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    server = ForkServer(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def outcomes(zoo: Path, server: ForkServer, tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    return Outcomes(zoo, server, tmp_path_factory.mktemp("outcomes"))
