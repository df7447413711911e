"""Fixtures of the container test, a plugin that tests/container/run names."""

from __future__ import annotations

import shutil
from pathlib import Path

import bases
import engine
import pytest
import runner

PROJECT = Path(__file__).resolve().parent.parent.parent
IMAGE = "localhost/coral-quantize-test:published"


@pytest.fixture(scope="session")
def base() -> str:
    """The name of the stand-in base image."""
    engine.set_up()
    return bases.make()


@pytest.fixture(scope="session")
def image(base: str) -> str:
    """The `published` target of the unchanged Dockerfile."""
    built = engine.build(PROJECT, IMAGE, "published", bases.pinned_base())
    assert built.returncode == 0, (built.stdout + built.stderr)[-5000:]
    return IMAGE


@pytest.fixture(scope="session")
def runner_digits(
    image: str, digits: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[runner.Finished, Path]:
    """The digits job as a step of a workflow, run once; how it ended, and its workspace."""
    folder = tmp_path_factory.mktemp("runner") / "workspace"
    shutil.copytree(digits, folder)
    runner.give(folder)
    finished = runner.run_as_runner(image, folder, {"config": "coral.yml", "compiler": "none"})
    assert finished.code == 0, finished.stderr
    return finished, folder


@pytest.fixture
def workspace(digits: Path, tmp_path: Path) -> Path:
    """A checked-out repository that belongs to the runner's user."""
    folder = tmp_path / "workspace"
    shutil.copytree(digits, folder)
    runner.give(folder)
    return folder
