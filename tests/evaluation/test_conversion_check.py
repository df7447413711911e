"""Loading held against the original: a few made inputs tell whether they compute the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coral_action.loading.conversion_check import (
    TOLERANCE,
    conversion_error,
    conversion_findings,
)
from coral_action.loading.float_model import TensorSpec

from .graphs import mixer

WEIGHTS = np.array([[0.5, -1.0, 0.25], [2.0, 0.1, -0.3]])


def mixed(weights: np.ndarray):
    return lambda values: {"scores": np.einsum("bhwi,oi->bhwo", values["image"], weights)}


def test_the_same_function(tmp_path: Path) -> None:
    model = mixer(tmp_path / "float.tflite", (4, 5, 3), WEIGHTS)
    error = conversion_error(mixed(WEIGHTS), model.path.read_bytes(), model.inputs)
    assert error is not None and error < 1e-6
    assert conversion_findings(error) == ()


@pytest.mark.parametrize("wrong", [WEIGHTS[:, ::-1], WEIGHTS * 1.05, -WEIGHTS])
def test_another_function(tmp_path: Path, wrong: np.ndarray) -> None:
    model = mixer(tmp_path / "float.tflite", (4, 5, 3), WEIGHTS)
    error = conversion_error(mixed(wrong), model.path.read_bytes(), model.inputs)
    assert error is not None and error > TOLERANCE
    (finding,) = conversion_findings(error)
    assert finding.id == "CQ510"


def test_inputs_that_the_original_refuses(tmp_path: Path) -> None:
    model = mixer(tmp_path / "float.tflite", (4, 5, 3), WEIGHTS)

    def refuse(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        raise ValueError("index out of range")

    assert conversion_error(refuse, model.path.read_bytes(), model.inputs) is None
    assert conversion_findings(None) == ()


@pytest.mark.parametrize("dtype", ["float32", "uint8", "int32", "int64", "bool"])
def test_made_inputs_have_the_dtype(dtype: str) -> None:
    from coral_action.loading.conversion_check import _made_inputs

    made = _made_inputs([TensorSpec("x", (1, 3), dtype)])
    assert [values["x"].dtype for values in made] == [np.dtype(dtype)] * 4
    assert not made[0]["x"].any() or dtype in ("int32", "int64", "bool")
