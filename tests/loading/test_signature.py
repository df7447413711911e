"""Names of inputs and outputs come to the right tensors, with and without a signature."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coral_action.errors import ModelError
from coral_action.inference import Runner
from coral_action.loading.recipe import _name_signature
from coral_action.tflite import read_model


def test_names_without_a_signature_are_in_the_models_order(zoo: Path) -> None:
    content = (zoo / "no_signature.tflite").read_bytes()
    assert not read_model(content).signatures
    named = _name_signature(content, ["z", "y", "x"], ["third", "second", "first"])
    model = read_model(named)
    values = {
        name: np.array([[number, number + 10]], np.float32)
        for name, number in (("z", 2.0), ("y", 3.0), ("x", 5.0))
    }
    results = Runner(named, model.input_names(), model.output_names()).run(values)
    # What the graph was written as: a - b c, b - c, 2 c of its inputs a, b and c.
    a, b, c = values.values()
    np.testing.assert_array_equal(results["third"], a - b * c)
    np.testing.assert_array_equal(results["second"], b - c)
    np.testing.assert_array_equal(results["first"], c * 2)


def test_missing_outputs_are_said(zoo: Path) -> None:
    content = (zoo / "no_signature.tflite").read_bytes()
    with pytest.raises(ModelError, match="made 3 inputs and 3 outputs of a, b, c and d"):
        _name_signature(content, ["a", "b", "c"], ["d"])
