"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def digits() -> Path:
    """The example: one model in three forms, with calibration and test images."""
    return PROJECT / "examples" / "digits"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """Real models, data and compiler recordings that are not part of the project."""
    folder = Path(os.environ.get("CORAL_CORPUS", PROJECT.parent / "shared")).resolve()
    if not (folder / "cases").is_dir():
        pytest.skip(f"no corpus at {folder}: set CORAL_CORPUS to run this test")
    return folder
