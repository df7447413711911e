"""One network in five forms gives one int8 model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.loading import load_model
from coral_action.quantization import quantize_model
from coral_action.tflite import TfliteModel
from tests.loading.fork_server import ForkServer


def quantized(source: Path, digits: Path, folder: Path) -> TfliteModel:
    config = ModelConfig.model_validate(
        {
            "name": "digits",
            "source": str(source),
            "calibration": {"images": str(digits / "data/calibration"), "method": "min_max"},
            "preprocess": {"resize": [28, 28], "color": "gray", "mean": 127.5, "std": 127.5},
        }
    )
    paths = PathRules(folder)
    model = load_model(config, paths, folder / "float.tflite")
    return quantize_model(config, model, paths, folder / "int8.tflite").model


@pytest.fixture(scope="module")
def reference(
    digits: Path, server: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> TfliteModel:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coral_action.loading.run_isolated", server.run_isolated)
        return quantized(digits / "model.keras", digits, tmp_path_factory.mktemp("keras"))


@pytest.mark.parametrize("form", ["saved_model", "frozen.pb", "digits.tflite", "digits.onnx"])
def test_same_int8_model(
    form: str,
    reference: TfliteModel,
    digits: Path,
    zoo: Path,
    server: ForkServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if form.endswith(".onnx") and importlib.util.find_spec("onnx2tf") is None:
        pytest.skip("onnx2tf is not installed: pip install 'coral-quantize[onnx]'")
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    model = quantized((zoo if "digits" in form else digits) / form, digits, tmp_path)
    assert [op.name for op in model.operators] == [op.name for op in reference.operators]
    assert len(reference.operators) == 12
    compared = 0
    for mine, other in zip(model.operators, reference.operators, strict=True):
        for kind in ("inputs", "outputs"):
            for a, b in zip(getattr(mine, kind), getattr(other, kind), strict=True):
                left, right = model.tensors[a], reference.tensors[b]
                # A pooled (1, 1, 1, 96) is as good as a (1, 96) before a fully-connected layer.
                assert np.prod(left.shape) == np.prod(right.shape)
                assert left.type == right.type
                np.testing.assert_allclose(left.scales, right.scales, rtol=1e-3)
                compared += len(left.scales)
    assert compared > 500  # every channel of every convolution
