"""The main job, end to end, on the example: looked at from outside, with litert alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from harness import DemoRun
from PIL import Image

FORMS = ("digits_saved_model", "digits_keras", "digits_frozen_graph")


def test_report_has_every_form_and_passes(demo: DemoRun) -> None:
    assert demo.report["schema_version"] == 1
    assert [m["name"] for m in demo.report["models"]] == list(FORMS)
    assert {m["status"] for m in demo.report["models"]} == {"ok"}
    assert {m["source"]["format"] for m in demo.report["models"]} == {
        "saved_model",
        "keras",
        "frozen_graph",
    }


def placed(model: dict) -> list[tuple[str, str, list[int]]]:
    """Kind, place and neighbours of each operator; names of tensors differ from form to form."""
    operators = model["placement"]["operators"]
    return [(o["name"], o["target"], o.get("inputs", [])) for o in operators]


def test_three_forms_agree(demo: DemoRun) -> None:
    first, *others = demo.report["models"]
    for other in others:
        assert placed(other) == placed(first)
        assert other["accuracy"]["metrics"] == first["accuracy"]["metrics"]


@pytest.mark.parametrize("name", FORMS)
def test_int8_model_is_full_integer(demo: DemoRun, name: str) -> None:
    interpreter = Interpreter(str(demo.output / f"{name}_int8.tflite"))
    interpreter.allocate_tensors()
    types = {np.dtype(d["dtype"]).name for d in interpreter.get_tensor_details()}
    assert types <= {"int8", "int32"}
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert given["dtype"] is np.int8
    assert result["dtype"] is np.int8
    assert given["shape"].tolist() == [1, 28, 28, 1]
    assert list(interpreter.get_signature_runner().get_output_details()) == ["probabilities"]


def test_accuracy_is_what_an_independent_loop_finds(demo: DemoRun, digits: Path) -> None:
    """The reported int8 top-1 against a plain loop with litert's reference kernels."""
    interpreter = Interpreter(str(demo.output / "digits_saved_model_int8.tflite"))
    interpreter.allocate_tensors()
    (given,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = given["quantization"]
    files = sorted((digits / "data" / "test").glob("*/*.png"))
    right = 0
    for file in files:
        pixels = np.asarray(Image.open(file).resize((28, 28), Image.Resampling.BILINEAR))
        value = (pixels.astype(np.float32) - 127.5) / 127.5
        quantized = np.clip(np.round(value / scale) + zero_point, -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], quantized[np.newaxis, ..., np.newaxis])
        interpreter.invoke()
        right += int(interpreter.get_tensor(result["index"])[0].argmax()) == int(file.parent.name)
    accuracy = demo.report["models"][0]["accuracy"]
    assert accuracy["samples"] == len(files) == 400
    top1 = accuracy["metrics"][0]
    assert top1["name"] == "top1"
    assert top1["int8"] == pytest.approx(right / len(files), abs=1e-9)
    assert top1["float"] >= 0.97


def test_sizes_are_those_of_the_files(demo: DemoRun) -> None:
    for model in demo.report["models"]:
        path = Path(model["files"]["int8"])
        assert path.stat().st_size == model["sizes"]["int8_bytes"]
        assert model["sizes"]["float_bytes"] > model["sizes"]["int8_bytes"]


def test_placement_is_labelled_a_prediction(demo: DemoRun) -> None:
    placement = demo.report["models"][0]["placement"]
    assert placement["origin"] == "predicted"
    assert placement["edge_tpu"] + placement["cpu"] == len(placement["operators"])
    assert [o["index"] for o in placement["operators"]] == list(range(len(placement["operators"])))


def test_reports_for_people_are_there(demo: DemoRun) -> None:
    markdown = (demo.output / "report.md").read_text(encoding="utf-8")
    page = (demo.output / "report.html").read_text(encoding="utf-8")
    assert "3 models passed" in markdown
    assert not re.search(r'(src|href)="(?!#|data:)', page), "the page must need no network"
    assert "3 models passed" in demo.finished.stdout
    assert "report.html" in demo.finished.stdout


def test_two_runs_give_the_same_bytes(demo: DemoRun, command, digits, tmp_path) -> None:
    words = ("--config", digits / "coral.yml", "--output", tmp_path, "--compiler", "none")
    finished = command("run", *words, "--model", "digits_keras", "--quiet")
    assert (finished.code, finished.stdout) == (0, "")
    name = "digits_keras_int8.tflite"
    assert (tmp_path / name).read_bytes() == (demo.output / name).read_bytes()


def test_report_can_be_rendered_again(demo: DemoRun, command) -> None:
    again = command("report", demo.output / "report.json", "--format", "markdown")
    assert again.code == 0
    assert again.stdout == (demo.output / "report.md").read_text(encoding="utf-8")


def test_wrong_scaling_is_warned_about(command, digits, tmp_path) -> None:
    """Pixels from 0 to 255, fed to a model whose preset says -1 to 1."""
    text = (digits / "coral.yml").read_text(encoding="utf-8")
    wrong = text.replace("{preset: keras.mobilenet}", "{preset: keras.mobilenet, mean: 0, std: 1}")
    config = tmp_path / "coral.yml"
    for name in ("data", "model.keras", "saved_model", "frozen.pb"):
        (tmp_path / name).symlink_to(digits / name)
    config.write_text(wrong, encoding="utf-8")
    words = ("--config", config, "--output", tmp_path / "out", "--compiler", "none")
    finished = command("run", *words, "--model", "digits_keras")
    assert finished.code == 0, finished.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    messages = [f["message"] for f in report["models"][0]["findings"] if f["id"] == "CQ301"]
    assert any("0 to 255" in message and "-1 to 1" in message for message in messages)
    assert "CQ301" in (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_report_shows_the_data_and_the_worst_layers(demo: DemoRun) -> None:
    for model in demo.report["models"]:
        assert model["calibration"]["sheet"].startswith("data:image/")
        assert all(sum(layer["activations"]["counts"]) > 0 for layer in model["layers"])
        assert any("weights" in layer for layer in model["layers"])
        shown = [model["layers"], model["calibration"]["sheet"]]
        assert len(json.dumps(shown)) < 300_000
    assert "data:image" not in (demo.output / "report.md").read_text()
    page = (demo.output / "report.html").read_text()
    assert page.count('class="sheet"') == 3
    assert page.count('class="chart"') > 30
