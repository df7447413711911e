"""docs/extending.md: the code on the page does what the page says, once registered."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from harness import PROJECT
from pages import of

from coral_action.edgetpu.operators import rule as rules
from coral_action.findings import Severity
from coral_action.quantization.calibrators import Options
from coral_action.quantization.observation import Observed
from coral_action.report.model import Report

PAGE = PROJECT / "docs" / "extending.md"


def code(name: str) -> str:
    """The one block on the page that defines a name."""
    (block,) = [b for b in of("python") if b.page == PAGE and f"def {name}(" in b.text]
    return block.text


def defined(name: str) -> dict[str, Any]:
    """What the block leaves behind when it is run."""
    # Annotations of a notebook-like block are strings, as in every module of the project.
    space: dict[str, Any] = {}
    exec(compile(code(name), f"{PAGE.name}: {name}", "exec"), space)
    return space


def test_calibrator() -> None:
    # Three samples of two tensors; the third sample is broken.
    low = np.array([[-1, 0], [-2, 0], [-900, 0]], dtype=np.float32)
    high = np.array([[3, 5], [4, 6], [800, 7]], dtype=np.float32)
    names = ("a", "b", "c")
    observed = Observed((4, 9), low, high, None, {}, names, (0, 1, 2))
    ranges = defined("median_extremes")["median_extremes"](observed, Options())
    assert ranges == {4: (-2.0, 4.0), 9: (0.0, 6.0)}


def test_metric() -> None:
    space = defined("rmse")
    (kind,) = space["KINDS"]
    rows = [
        kind.row({"y": np.array([[predicted]])}, {}, np.array([truth]), space["Settings"]("y"))
        for predicted, truth in ((1.0, 1.0), (2.0, 5.0), (0.0, 4.0))
    ]
    value = kind.prepare(np.stack(rows))
    # Errors 0, 3 and 4: sqrt((0 + 9 + 16) / 3); with the first counted twice, sqrt(25 / 4).
    assert value(np.ones(3)) == pytest.approx(np.sqrt(25 / 3))
    assert value(np.array([2.0, 1.0, 1.0])) == pytest.approx(2.5)


def test_operator_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    from edgetpu.graphs import Graph

    from coral_action.tflite import read_model

    registered: list[rules.Rule] = []
    monkeypatch.setattr(rules, "RULES", registered)
    defined("pooling_keeps_a_pixel")
    (rule,) = registered
    assert rule.title == "Pooling leaves more than one pixel."
    messages = []
    for size in (1, 2):
        graph = Graph()
        image = graph.input("image", (1, 4, 4, 8))
        pooled = graph.tensor("pooled", (1, size, size, 8))
        graph.operator("MAX_POOL_2D", [image], [pooled])
        model = read_model(graph.bytes())
        view = rules.View(model.operators[0], model, rules.Target())
        judged = rules.judge(view)
        messages.append([(j.finding.id, j.finding.severity) for j in judged])
    assert messages == [[("CQ149", Severity.WARNING)], []]


def test_renderer() -> None:
    render = defined("render")["render"]
    report = Report.from_data(
        json.loads((PROJECT / "tests/report/data/digits-v1.json").read_text())
    )
    lines = render(report).splitlines()
    assert lines == [f"{model.name}: {model.status}" for model in report.models]


def test_model_format(tmp_path: Path) -> None:
    """Loaded, frozen and converted as every format is; TensorFlow stays out of this process."""
    (tmp_path / "loader.py").write_text(code("load"))
    layers = [[[[1.0, -1.0], [2.0, 0.5]], [0.0, 1.0]], [[[1.0], [10.0]], [3.0]]]
    (tmp_path / "model.json").write_text(json.dumps(layers))
    (tmp_path / "steps.py").write_text(
        "import json, sys\n"
        "from loader import load\n"
        "from coral_action.errors import ModelError\n"
        "from coral_action.inference import Runner\n"
        "from coral_action.loading.interface import LoadRequest\n"
        "from coral_action.loading.recipe import convert, freeze\n"
        "from coral_action.tflite import read_model\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "request = LoadRequest('model.json', 'layers')\n"
        "Path('model.tflite').write_bytes(convert(freeze(load(request), request)).content)\n"
        "held = read_model(Path('model.tflite'))\n"
        "runner = Runner(Path('model.tflite'), held.input_names(), held.output_names())\n"
        "outputs = runner.run({'x': np.array([[2.0, 1.0]], np.float32)})\n"
        "try:\n"
        "    load(LoadRequest('loader.py', 'layers'))\n"
        "except ModelError as error:\n"
        "    print(json.dumps({'y': outputs['y'].tolist(), 'error': error.message}))\n"
    )
    done = subprocess.run(
        [sys.executable, "steps.py"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT), "PATH": "/usr/bin:/bin", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    # x = [2, 1]: [2 + 2, -2 + 0.5 + 1] = [4, -0.5] -> ReLU [4, 0] -> 4 + 0 + 3.
    assert said["y"] == [[7.0]]
    assert "no list of layers" in said["error"]
