"""Models that had to be rebuilt, expanded or folded are as good for the quantizer as others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coral_action.config.paths import PathRules
from coral_action.inference import Runner
from coral_action.quantization import quantize_model
from coral_action.tflite import read_model
from tests.loading.cases import CASES
from tests.loading.outcomes import Outcomes, model_config
from tests.loading.test_cases import skip_without_extra

SOURCES = (
    "lstm.keras",
    "gru_stack.keras",
    "bidirectional.keras",
    "lstm_legacy.h5",
    "float16.tflite",
    "dynamic_range.tflite",
    "open_batch.tflite",
    "multi.keras",
    "swish.keras",
    "rgb_pooled.onnx",
)


@pytest.mark.parametrize("source", SOURCES)
def test_quantizes_fully(source: str, outcomes: Outcomes, tmp_path: Path) -> None:
    case = next(c for c in CASES if c.source == source and not c.refused and not c.config)
    skip_without_extra(case)
    model = outcomes.of(case).model
    assert model is not None
    rng = np.random.default_rng(0)
    data = {s.name: rng.normal(size=(32, *s.shape[1:])).astype(np.float32) for s in model.inputs}
    np.savez(tmp_path / "data.npz", **data)
    config = model_config(
        model.path, calibration={"npz": str(tmp_path / "data.npz"), "method": "min_max"}
    )
    result = quantize_model(config, model, PathRules(tmp_path), tmp_path / "int8.tflite")
    assert {t.type for t in result.model.tensors} <= {"INT8", "INT32", "INT64"}

    def run(path: Path) -> np.ndarray:
        view = read_model(path)
        runner = Runner(path, view.input_names(), view.output_names())
        outputs = [runner.run({k: v[i : i + 1] for k, v in data.items()}) for i in range(32)]
        return np.concatenate([o[s.name].ravel() for o in outputs for s in model.outputs])

    exact, rounded = run(model.path), run(result.path)
    # Signal to noise of small random networks in int8: well above 20 dB, that is a 10th.
    noise = np.sqrt(np.mean((exact - rounded) ** 2)) / np.sqrt(np.mean(exact**2))
    assert noise < 0.1
