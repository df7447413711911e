"""Code for boards: it runs (on a stand-in for pycoral), and says what the model really computes."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pycoral_stand_in
import pytest
import report_samples as samples
import yaml
from ai_edge_litert.interpreter import Interpreter
from harness import DemoRun
from PIL import Image

from coral_action.report import html, markdown
from coral_action.report.model import ModelReport, Report
from coral_action.report.snippets import snippets_of


def ran(code: str, picture: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["snippet.py", str(picture)])
    exec(compile(code, "snippet.py", "exec"), {"__name__": "__main__"})
    return capsys.readouterr().out.splitlines()


def test_a_classifier_prints_what_the_model_says(
    demo: DemoRun, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    model = Report.from_data(demo.report).models[1]
    (snippet,) = snippets_of(model)
    assert snippet.title == "Classify an image with pycoral"
    pycoral_stand_in.install(monkeypatch, demo.output)
    interpreter = Interpreter(model_path=str(demo.output / f"{model.name}_int8.tflite"))
    interpreter.allocate_tensors()
    (given,), (taken,) = interpreter.get_input_details(), interpreter.get_output_details()
    right = 0
    for digit in range(10):
        picture = sorted((digits / "data" / "test" / str(digit)).iterdir())[3]
        lines = ran(snippet.text, picture, monkeypatch, capsys)
        # The same by hand: Keras' preprocessing of MobileNet, then the model's own scales.
        pixels = Image.open(picture).convert("L").resize((28, 28), Image.Resampling.BILINEAR)
        real = np.asarray(pixels, np.float32) / 127.5 - 1
        scale, zero = given["quantization"]
        stored = np.clip(np.rint(real / np.float32(scale)) + zero, -128, 127).astype(np.int8)
        interpreter.set_tensor(given["index"], stored.reshape(1, 28, 28, 1))
        interpreter.invoke()
        scores = interpreter.get_tensor(taken["index"])[0]
        best = int(scores.argmax())
        scale, zero = taken["quantization"]
        name, score = lines[0].split()
        assert name == str(best)
        # A pixel on the edge of two steps may fall to either, and the score to the next.
        assert float(score) == pytest.approx((int(scores[best]) - zero) * scale, abs=1.01 * scale)
        assert len(lines) == 3
        right += name == str(digit)
    assert right >= 9


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("color", ["rgb", "bgr"])
def test_pixels_become_stored_values(
    dtype: str, color: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything before the interpreter, by hand for one pixel of each colour."""
    mean, std, scale, zero = [100.0, 110.0, 120.0], [50.0, 55.0, 60.0], 0.02, 3
    (snippet,) = snippets_of(
        detector(dtype, color=color, mean=mean, std=std, scale=scale, zero_point=zero)
    )
    Image.new("RGB", (30, 20), (10, 120, 250)).save(tmp_path / "p.png")
    fed = []

    class StoppedError(Exception):
        pass

    def set_input(interpreter: Any, data: np.ndarray) -> None:
        fed.append(data)
        raise StoppedError

    class Silent:
        def allocate_tensors(self) -> None: ...

    pycoral_stand_in.install(monkeypatch, tmp_path)
    monkeypatch.setattr(sys.modules["pycoral.adapters.common"], "set_input", set_input)
    monkeypatch.setattr(
        sys.modules["pycoral.utils.edgetpu"], "make_interpreter", lambda path: Silent()
    )
    monkeypatch.setattr(
        sys.modules["pycoral.utils.dataset"], "read_label_file", lambda path: {0: "x"}
    )
    monkeypatch.setattr(sys, "argv", ["snippet.py", str(tmp_path / "p.png")])
    with pytest.raises(StoppedError):
        exec(compile(snippet.text, "snippet.py", "exec"), {})
    pixel = (10, 120, 250) if color == "rgb" else (250, 120, 10)
    low, high = (0, 255) if dtype == "uint8" else (-128, 127)
    expected = [
        min(max(round((p - m) / s / scale) + zero, low), high)
        for p, m, s in zip(pixel, mean, std, strict=True)
    ]
    assert fed[0].shape == (16, 24, 3)
    assert fed[0].dtype == dtype
    assert fed[0][7, 9].tolist() == expected


def detector(dtype: str = "uint8", **image: Any) -> ModelReport:
    tensor = {
        "name": "image",
        "shape": [1, 16, 24, 3],
        "dtype": dtype,
        "scale": image.pop("scale", 1 / 127.5),
        "zero_point": image.pop("zero_point", 128),
    }
    fed = {"input": "image", "color": "rgb", "mean": [127.5] * 3, "std": [127.5] * 3, **image}
    outputs = [{"name": str(i), "shape": [1, 10], "dtype": "float32"} for i in range(4)]
    plain = samples.good() | {
        "interface": {"inputs": [tensor], "outputs": outputs, "images": [fed], "detector": True}
    }
    return Report.from_data({"schema_version": 1, "tool": {}, "models": [plain]}).models[0]


def test_frigate_takes_a_detector_of_plain_pixels() -> None:
    found = {snippet.language: snippet.text for snippet in snippets_of(detector())}
    config = yaml.safe_load(found["yaml"])
    assert config == {
        "detectors": {"coral": {"type": "edgetpu", "device": "usb"}},
        "model": {
            "path": "/config/mobilenet_v2_224_int8_edgetpu.tflite",
            "labelmap_path": "/config/mobilenet_v2_224_labels.txt",
            "width": 24,
            "height": 16,
            "input_tensor": "nhwc",
            "input_pixel_format": "rgb",
            "model_type": "ssd",
        },
    }


@pytest.mark.parametrize(
    "model",
    [detector("int8", zero_point=0), detector(scale=0.02), detector(mean=[0.0] * 3)],
    ids=["int8", "another scale", "another mean"],
)
def test_frigate_takes_no_other(model: ModelReport) -> None:
    assert [snippet.language for snippet in snippets_of(model)] == ["python"]


def test_a_detector_by_the_order_of_its_outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    outputs = [
        np.array([[[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1]]]),
        np.array([[2.0, 0.0]]),
        np.array([[0.9, 0.2]]),
        np.array([2.0]),
    ]

    class Found:
        def allocate_tensors(self) -> None: ...
        def invoke(self) -> None: ...

    pycoral_stand_in.install(monkeypatch, tmp_path)
    common = sys.modules["pycoral.adapters.common"]
    monkeypatch.setattr(common, "set_input", lambda interpreter, data: None)
    monkeypatch.setattr(common, "output_tensor", lambda interpreter, i: outputs[i])
    monkeypatch.setattr(
        sys.modules["pycoral.utils.edgetpu"], "make_interpreter", lambda path: Found()
    )
    (tmp_path / "mobilenet_v2_224_labels.txt").write_text("person\nbicycle\ncar\n")
    Image.new("RGB", (30, 20)).save(tmp_path / "p.png")
    python = next(s for s in snippets_of(detector()) if s.language == "python")
    (line,) = ran(python.text, tmp_path / "p.png", monkeypatch, capsys)
    assert line == "car 0.9 [0.1 0.2 0.3 0.4]"


def test_models_that_nothing_fits() -> None:
    mixed = samples.mixed().models
    assert [len(list(snippets_of(model))) for model in mixed] == [0, 0, 1]
    bare = mixed[2].model_copy(update={"interface": None})
    assert list(snippets_of(bare)) == []


def test_names_can_do_nothing_in_code() -> None:
    nasty = 'x"\n```\n@octocat <!-- coral --> \\u0022 🎉'
    plain = samples.good()
    plain["files"] |= {"edgetpu": f"out/{nasty}", "labels": f"out/{nasty}"}
    report = samples.report_of(plain)
    (snippet,) = snippets_of(report.models[0])
    tree = ast.parse(snippet.text)
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert nasty.rpartition("/")[2] in texts
    shown = markdown.render(report)
    assert "@octocat" not in shown
    assert "<!--" not in shown
    (code,) = re.findall(r"<pre.*?</pre>", html.render(report), re.DOTALL)
    assert "@octocat" not in code


def test_both_reports_show_them() -> None:
    report = samples.mixed()
    (snippet,) = snippets_of(report.models[2])
    assert f"```python\n{snippet.text}```" in markdown.render(report)
    assert "get_classes(interpreter, top_k=3)" in html.render(report)
