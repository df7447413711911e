"""Each kind of model loads and computes what its own framework does, or is refused by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from coral_action.errors import EXIT_MODEL, ModelError
from coral_action.inference import Runner
from coral_action.loading import FloatModel
from coral_action.tflite import read_model
from tests.loading.cases import CASES, Case
from tests.loading.outcomes import Outcomes


def run(model: FloatModel, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    view = read_model(model.path)
    return Runner(model.path, view.input_names(), view.output_names()).run(inputs)


def skip_without_extra(case: Case) -> None:
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed: pip install 'coral-quantize[onnx]'")


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=lambda c: c.id)
def test_model_loads(case: Case, zoo: Path, outcomes: Outcomes) -> None:
    skip_without_extra(case)
    outcome = outcomes.of(case)
    assert outcome.error is None
    model = outcome.model
    assert model is not None
    assert model.already_quantized == case.integer
    assert tuple(finding.id for finding in model.findings) == case.findings
    assert all(spec.shape[0] == 1 for spec in model.inputs)
    assert outcome.code_ran == case.allow_custom_code
    if case.expected == "-":
        return
    with np.load(zoo / f"{case.expected}.npz") as note:
        inputs = {key[3:]: note[key] for key in note if key.startswith("in:")}
        expected = {key[4:]: note[key] for key in note if key.startswith("out:")}
    # A cut input goes by the name that coral.yml gives it; outputs by theirs, or by that of a node.
    assert {spec.name for spec in model.inputs} == set(inputs)
    for spec in model.inputs:
        assert spec.shape == inputs[spec.name].shape
        assert spec.dtype == str(inputs[spec.name].dtype)
    wanted = case.config.get("outputs", list(expected))
    assert [spec.name for spec in model.outputs] == list(wanted)
    tolerance = 2e-3 if "float16" in case.source else 1e-4
    for name, value in run(model, inputs).items():
        right = expected[name] if name in expected else next(iter(expected.values()))
        np.testing.assert_allclose(value, right, rtol=tolerance, atol=1e-5)


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda c: c.id)
def test_model_is_refused(case: Case, outcomes: Outcomes) -> None:
    skip_without_extra(case)
    outcome = outcomes.of(case)
    assert isinstance(outcome.error, ModelError)
    assert case.refused in outcome.error.message
    assert "\n" not in outcome.error.message
    assert outcome.error.hint
    assert outcome.error.exit_code == EXIT_MODEL
    assert not outcome.code_ran
