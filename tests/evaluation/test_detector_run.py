"""A detector through the whole run: what follows the integer part works in float, on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from harness import Command

from coral_action.loading.interface import LoadRequest
from coral_action.loading.tflite_model import load
from coral_action.quantization.verification import verify
from coral_action.tflite import pack, read_model, unpack
from tests.evaluation.graphs import detector, quantized

CONFIG = """
version: 1
models:
  - name: detector
    source: float.tflite
    calibration: {npz: calibration.npz, method: min_max}
    evaluation: {npz: data.npz, boxes: boxes.csv}
"""
ANCHORS = np.array([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three anchors, two classes; in int8, whose steps are 2 / 255, one image ends in a tie."""
    base = tmp_path_factory.mktemp("detector")
    detector(base / "float.tflite", ANCHORS, 2, 3)
    calibration = np.random.default_rng(5).uniform(-0.9, 0.9, (20, 3, 6)).astype(np.float32)
    calibration[0, 0, 0], calibration[1, 0, 0] = -1, 1
    np.savez(base / "calibration.npz", x=calibration)
    x = np.zeros((2, 3, 6), dtype=np.float32)
    x[0, 0, 4:] = [0.9, 0.1]  # upper left, class 0: right
    x[0, 1, 4:] = [0.500, 0.502]  # lower right: class 1 in float, class 0 in int8 (a tie)
    x[1, 2, 4:] = [0.8, 0.1]  # upper right, class 0: right
    np.savez(base / "data.npz", x=x)
    (base / "boxes.csv").write_text(
        "file,class,ymin,xmin,ymax,xmax\n"
        "data.npz[0],0,0,0,0.5,0.5\ndata.npz[0],1,0.5,0.5,1,1\ndata.npz[1],0,0,0.5,0.5,1\n"
    )
    (base / "coral.yml").write_text(CONFIG)
    return base


@pytest.fixture(scope="module")
def model(folder: Path, command: Command) -> dict:
    output = folder / "out"
    words = ("--config", folder / "coral.yml", "--output", output, "--compiler", "none")
    finished = command("run", *words)
    assert finished.code == 0, finished.stderr
    (model,) = json.loads((output / "report.json").read_text())["models"]
    return model


def test_map_of_float_and_int8(model: dict) -> None:
    (metric,) = model["accuracy"]["metrics"]
    assert metric["name"] == "map"
    assert metric["float"] == pytest.approx(1.0)
    assert metric["int8"] == pytest.approx(0.5)


def test_only_the_integer_part_is_on_the_edge_tpu(model: dict) -> None:
    placed = [(o["name"], o["target"]) for o in model["placement"]["operators"]]
    assert sorted(placed) == [
        ("CUSTOM:TFLite_Detection_PostProcess", "cpu"),
        ("DEQUANTIZE", "cpu"),
        ("DEQUANTIZE", "cpu"),
        ("SPLIT_V", "edge_tpu"),
    ]


@pytest.fixture(scope="module")
def int8(folder: Path) -> bytes:
    model = detector(folder / "other.tflite", ANCHORS, 2, 3)
    ranges = dict.fromkeys(("encodings_and_scores", "encodings", "scores"), (-1.0, 1.0))
    return quantized(model, ranges, folder / "int8.tflite").read_bytes()


def found(content: bytes) -> list[str]:
    return sorted({finding.id for finding in verify(read_model(content))})


def test_float_after_the_last_layer_of_a_detector_is_no_finding(int8: bytes) -> None:
    assert found(int8) == []


def test_any_other_float_operator_is_one(int8: bytes) -> None:
    model = unpack(int8)
    for code in model.operatorCodes:
        if code.customCode:
            code.customCode = "TFLite_Other"
    assert found(pack(model)) == ["CQ201", "CQ202", "CQ203"]


def test_float_scores_as_an_output_are_one(int8: bytes) -> None:
    """What feeds the detections is also handed out, in float."""
    model = unpack(int8)
    view = read_model(int8)
    (scores, *_) = [op.outputs[0] for op in view.operators if op.name == "DEQUANTIZE"]
    model.subgraphs[0].outputs = np.append(model.subgraphs[0].outputs, scores).astype(np.int32)
    model.signatureDefs = []
    assert found(pack(model)) == ["CQ202", "CQ203"]


def test_float_scores_that_another_operator_reads_are_one(int8: bytes) -> None:
    model = unpack(int8)
    graph = model.subgraphs[0]
    view = read_model(int8)
    (copied, *_) = [op.index for op in view.operators if op.name == "DEQUANTIZE"]
    twin = unpack(int8).subgraphs[0].operators[view.operators[-1].index]
    other = unpack(int8)
    code = next(c for c in other.operatorCodes if c.customCode)
    code.customCode = "TFLite_Other"
    model.operatorCodes.append(code)
    twin.opcodeIndex = len(model.operatorCodes) - 1
    graph.operators.append(twin)
    assert graph.operators[copied] is not twin
    assert {"CQ201", "CQ202"} <= set(found(pack(model)))


def test_the_end_of_a_detector_is_no_fault_of_quantization(model: dict) -> None:
    said = {f["message"].partition(": ")[2] for f in model["findings"] if f["id"] == "CQ101"}
    assert said == {"the end of a detector runs in float on the CPU"}
    assert "CQ102" not in {f["id"] for f in model["findings"]}


def test_a_detector_that_is_integer_already_is_taken_as_it_is(
    folder: Path, int8: bytes, tmp_path: Path
) -> None:
    source = tmp_path / "int8.tflite"
    source.write_bytes(int8)
    loaded = load(LoadRequest(str(source), "tflite"))
    assert loaded.already_quantized
    assert loaded.content == int8
