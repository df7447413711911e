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
from tests.loading.conftest import Load


def run(model: FloatModel, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    view = read_model(model.path)
    return Runner(model.path, view.input_names(), view.output_names()).run(inputs)


@pytest.mark.parametrize("case", [case for case in CASES if not case.refused], ids=lambda c: c.id)
def test_model_loads(case: Case, zoo: Path, load: Load) -> None:
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed: pip install 'coral-quantize[onnx]'")
    model = load(zoo / case.source, allow_custom_code=case.allow_custom_code, **case.config)
    assert model.already_quantized == case.integer
    assert tuple(finding.id for finding in model.findings) == case.findings
    assert all(spec.shape[0] == 1 for spec in model.inputs)
    if case.expected == "-":
        return
    with np.load(zoo / f"{case.expected.partition('/saved_model.pb')[0]}.npz") as note:
        inputs = {key[3:]: note[key] for key in note if key.startswith("in:")}
        expected = {key[4:]: note[key] for key in note if key.startswith("out:")}
    # A cut input goes by the name that coral.yml gives it; outputs by theirs, or by that of a node.
    assert {spec.name for spec in model.inputs} == set(inputs)
    for spec in model.inputs:
        assert spec.shape == inputs[spec.name].shape
        assert spec.dtype == str(inputs[spec.name].dtype)
    outputs = run(model, inputs)
    wanted = case.config.get("outputs", list(expected))
    assert [spec.name for spec in model.outputs] == list(wanted)
    for name, value in outputs.items():
        right = expected[name] if name in expected else next(iter(expected.values()))
        np.testing.assert_allclose(
            value, right, rtol=2e-3 if "16" in case.source else 1e-4, atol=1e-5
        )


@pytest.mark.parametrize("case", [case for case in CASES if case.refused], ids=lambda c: c.id)
def test_model_is_refused(case: Case, zoo: Path, load: Load) -> None:
    if case.needs and importlib.util.find_spec(case.needs) is None:
        pytest.skip(f"{case.needs} is not installed: pip install 'coral-quantize[onnx]'")
    mark = zoo / "code-was-run"  # what the Lambda layers and attacks leave behind
    mark.unlink(missing_ok=True)
    with pytest.raises(ModelError) as caught:
        load(zoo / case.source, **case.config)
    assert case.refused in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == EXIT_MODEL
    assert not mark.exists()
