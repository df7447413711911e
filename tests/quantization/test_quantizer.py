# ruff: noqa: F811 - fixtures are imported by name
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from zoo_support import Zoo, zoo  # noqa: F401 - fixtures too

from coral_action.errors import QuantizationError
from coral_action.inference import Runner, fastest
from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.graph import Graph
from coral_action.quantization.io_types import to_uint8
from coral_action.quantization.observation import observe
from coral_action.quantization.quantizer import annotate, quantize
from coral_action.quantization.ranges import known, override
from coral_action.quantization.scoring import score
from coral_action.tflite import read_model


@pytest.fixture(scope="module")
def annotated(zoo: Zoo) -> bytes:
    content = zoo.content("chain")
    seen = observe(content, zoo.samples("chain"), total=100)
    return annotate(content, known(read_model(content), CALIBRATORS["min_max"](seen, Options())))


def test_light_and_plain_import_give_the_same_bytes(annotated: bytes, tmp_path: Path) -> None:
    (tmp_path / "annotated.tflite").write_bytes(annotated)
    results = []
    for light in (True, False):
        code = (
            "import sys; from pathlib import Path;"
            "from coral_action.quantization.quantizer import quantize;"
            f"a = Path({str(tmp_path / 'annotated.tflite')!r}).read_bytes();"
            f"Path({str(tmp_path / 'out')!r}).write_bytes(quantize(a, light={light}));"
            "print('keras' in sys.modules or 'tensorflow.python.framework' in sys.modules)"
        )
        root = Path(__file__).parents[2]
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=root, check=True, capture_output=True, text=True
        )
        assert done.stdout.split()[-1] == str(not light)  # the whole of TensorFlow came, or not
        results.append((tmp_path / "out").read_bytes())
    assert results[0] == results[1]


def test_min_max_is_the_plain_converter_to_the_last_scale(zoo: Zoo, annotated: bytes) -> None:
    """Scales come from ranges that XNNPACK or TensorFlow's kernels computed: 1e-6 apart."""
    ours, plain = read_model(quantize(annotated)), read_model(zoo.path("plain_chain"))
    assert [(op.name, op.version) for op in ours.operators] == [
        (op.name, op.version) for op in plain.operators
    ]
    for mine, theirs in zip(ours.tensors, plain.tensors, strict=True):
        assert (mine.name, mine.shape, mine.type) == (theirs.name, theirs.shape, theirs.type)
        assert mine.zero_points == theirs.zero_points
        assert mine.scales == pytest.approx(theirs.scales, rel=1e-5)


def test_convolutions_are_per_channel_and_dense_layers_per_tensor(annotated: bytes) -> None:
    model = read_model(quantize(annotated))
    scales = {op.name: len(model.tensors[op.inputs[1]].scales) for op in model.operators[:5]}
    assert scales["CONV_2D"] == 16
    assert scales["DEPTHWISE_CONV_2D"] == 8
    assert scales["FULLY_CONNECTED"] == 1


def test_uint8_adds_two_quantize(annotated: bytes) -> None:
    content = quantize(annotated)
    int8, uint8 = read_model(content), read_model(to_uint8(content))
    assert [op.name for op in uint8.operators] == [
        "QUANTIZE",
        *(op.name for op in int8.operators),
        "QUANTIZE",
    ]
    assert {uint8.tensors[i].type for i in (*uint8.inputs, *uint8.outputs)} == {"UINT8"}
    for ends in ("inputs", "outputs"):
        before, after = ([m.tensors[i].name for i in getattr(m, ends)] for m in (int8, uint8))
        assert before == after


def test_a_model_that_xnnpack_refuses_is_measured_with_other_kernels(
    annotated: bytes, zoo: Zoo
) -> None:
    graph = Graph(quantize(annotated))
    graph.tensors[int(graph.operators[0].outputs[0])].quantization.scale = [1e-7]
    content = graph.pack()
    model = read_model(content)
    names = model.input_names(), model.output_names()
    with pytest.raises(RuntimeError, match="XNNPACK"):
        Runner(content, *names)
    samples = zoo.samples("chain", 4)
    runner, kernels = fastest(content, *names)
    assert kernels == "builtin"
    expected = {"output_0": np.stack([runner.run(s.inputs)["output_0"] for s in samples])}
    assert score(content, samples, expected, range(4)).sqnr == 60  # equal, as far as is counted


def test_known_ranges(zoo: Zoo) -> None:
    model = read_model(zoo.content("chain"))
    outputs = {op.name: op.outputs[0] for op in model.operators}
    wide = {op.outputs[0]: (-9.0, 9.0) for op in model.operators}
    fixed = known(model, wide)
    assert fixed[outputs["SOFTMAX"]] == (0, 1)
    assert fixed[model.operators[0].outputs[0]] == (0, 6)  # fused RELU6
    assert fixed[outputs["MEAN"]] == (-9, 9)


def test_overrides_by_name_and_glob(zoo: Zoo) -> None:
    model = read_model(zoo.content("chain"))
    ranges = {op.outputs[0]: (0.0, 1.0) for op in model.operators} | {model.inputs[0]: (-4.0, 4.0)}
    changed = override(model, ranges, {"*": [-2, 2], "x": [-1, 1], "output_0": [0, 0.5]})
    assert changed[model.inputs[0]] == (-1, 1)
    assert changed[model.outputs[0]] == (0, 0.5)
    assert changed[model.operators[0].outputs[0]] == (-2, 2)


def test_a_glob_fits_each_of_the_names_that_the_converter_joined(zoo: Zoo) -> None:
    graph = Graph(zoo.content("chain"))
    fused = int(graph.operators[0].outputs[0])
    graph.tensors[fused].name = b"m/Conv1_relu/Relu6;m/bn/FusedBatchNorm;m/Conv1/convolution"
    model = read_model(graph.pack())
    ranges = {op.outputs[0]: (0.0, 1.0) for op in model.operators}
    for key in ("*/Relu6", "m/Conv1/convolution", "m/Conv1_relu/Relu6;*"):
        changed = override(model, ranges, {key: [0, 6]})
        assert [i for i in ranges if changed[i] != ranges[i]] == [fused]


def test_unknown_name_in_ranges_lists_names_like_it(zoo: Zoo) -> None:
    model = read_model(zoo.content("chain"))
    with pytest.raises(QuantizationError, match="no tensor of the float model is named") as caught:
        override(model, {model.inputs[0]: (0, 1), model.outputs[0]: (0, 1)}, {"outptu_0": [0, 1]})
    assert "output_0" in caught.value.hint


def test_uint8_model_gives_the_int8_results_plus_128(annotated: bytes, zoo: Zoo) -> None:
    stored = {}
    for io in ("int8", "uint8"):
        content = quantize(annotated) if io == "int8" else to_uint8(quantize(annotated))
        model = read_model(content)
        runner = Runner(content, model.input_names(), model.output_names(), kernels="builtin")
        assert list(model.input_names()) == ["x"]
        rows = []
        for sample in zoo.samples("chain", 10):
            runner.run(sample.inputs)
            rows.append(runner.value(model.outputs[0]).astype(int))
        stored[io] = np.stack(rows)
    assert (stored["uint8"] == stored["int8"] + 128).all()
