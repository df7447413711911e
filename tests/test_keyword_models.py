"""The main job on real models with real labelled data (the corpus)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import Command

from coral_action.quantization.verification import verify
from coral_action.tflite import read_model

# case, keys of its model in coral.yml, float top-1 as measured by its publisher's data (README of
# the cases), limit of the drop in points
CASES = {
    "tiny_kws_savedmodel": ({"source": "model"}, 0.9187, 1.0),
    "kws_dnn_s_pb": (
        {
            "source": "model/DNN_S.pb",
            "inputs": {"Mfcc": [1, 25, 10]},
            "outputs": ["labels_softmax"],
        },
        0.7812,
        1.0,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_keyword_spotting(case: str, corpus: Path, command: Command, tmp_path: Path) -> None:
    keys, float_top1, limit = CASES[case]
    folder = corpus / "cases" / case
    model = {
        **keys,
        "name": case,
        "source": str(folder / str(keys["source"])),
        "calibration": {"npy": str(folder / "calibration.npy")},
        "evaluation": {"npz": str(folder / "evaluation.npz")},
        "limits": {"accuracy_drop": limit},
    }
    config = tmp_path / "coral.yml"
    config.write_text(json.dumps({"version": 1, "models": [model]}))
    output = tmp_path / "out"
    finished = command("run", "--config", config, "--output", output, "--compiler", "none")
    assert finished.code == 0, finished.stderr
    (result,) = json.loads((output / "report.json").read_text())["models"]
    top1 = result["accuracy"]["metrics"][0]
    assert result["accuracy"]["samples"] == 480
    assert top1["float"] == pytest.approx(float_top1, abs=5e-4)
    assert top1["drop"] <= limit
    assert verify(read_model(output / f"{case}_int8.tflite")) == []
