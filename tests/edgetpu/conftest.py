"""The stand-in compiler, as a program whose behaviour a test chooses, and small models."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgetpu.graphs import chain

FAKE = Path(__file__).resolve().parent.parent / "fakes" / "edgetpu_compiler.py"


@dataclass
class StandIn:
    """A stand-in compiler on disk."""

    path: Path
    runs_file: Path

    @property
    def runs(self) -> list[list[str]]:
        """The command line of every run that compiled something."""
        if not self.runs_file.is_file():
            return []
        return [json.loads(line) for line in self.runs_file.read_text().splitlines()]


@pytest.fixture
def stand_in(tmp_path: Path) -> Callable[..., StandIn]:
    """A function that makes a stand-in with the given behaviour."""

    def make(**behaviour: Any) -> StandIn:
        folder = tmp_path / f"compiler{len(list(tmp_path.glob('compiler*')))}"
        folder.mkdir()
        runs = folder / "runs.jsonl"
        (folder / "behaviour.json").write_text(json.dumps({**behaviour, "runs": str(runs)}))
        program = folder / "edgetpu_compiler"
        program.write_text(
            f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" --stand-in '
            f'"{folder}/behaviour.json" "$@"\n'
        )
        program.chmod(0o755)
        return StandIn(program, runs)

    return make


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """An int8 model of five operators in a row."""
    path = tmp_path / "model.tflite"
    path.write_bytes(chain(["QUANTIZE", "RELU", "ADD", "RELU", "LOGISTIC"]))
    return path
