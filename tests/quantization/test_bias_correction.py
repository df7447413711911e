# ruff: noqa: F811 - fixtures are imported by name
from __future__ import annotations

import numpy as np
import pytest
from zoo_support import Zoo, zoo  # noqa: F401 - fixtures too

from coral_action.inference import Runner, quantize_input
from coral_action.quantization.bias_correction import correct_biases
from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.float_reference import FloatReference, dequantized
from coral_action.quantization.graph import Graph
from coral_action.quantization.observation import observe
from coral_action.quantization.quantizer import annotate, quantize
from coral_action.quantization.scoring import score
from coral_action.quantization.segments import extract
from coral_action.tflite import TfliteModel, read_model


@pytest.fixture(scope="module")
def residual(zoo: Zoo) -> tuple[bytes, bytes]:
    """Float and int8."""
    content = zoo.content("residual")
    seen = observe(content, zoo.samples("residual"), total=100)
    return content, quantize(annotate(content, CALIBRATORS["min_max"](seen, Options())))


def channel_errors(real: bytes, int8: bytes, zoo: Zoo, kind: str) -> np.ndarray:
    """Mean error of each channel of the last operator of a kind, over samples not used to fit."""
    model = read_model(int8)
    operator = [op for op in model.operators if op.name == kind][-1]
    reference = FloatReference(real)
    runner = Runner(
        int8, model.input_names(), model.output_names(), keep_all_tensors=True, kernels="builtin"
    )
    output = operator.outputs[0]
    twin = reference.twin(model.tensors[output])
    samples = zoo.samples("residual")[50:]
    errors = []
    for sample, (value,) in zip(samples, reference.values(samples, [twin]), strict=True):
        runner.run(sample.inputs)
        errors.append(dequantized(model, output, runner.value(output)) - value)
    return np.mean(np.concatenate(errors), axis=(0, 1, 2))


def test_only_biases_change(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    real, int8 = residual
    corrected = read_model(correct_biases(int8, real, zoo.samples("residual", 50)))
    before = read_model(int8)
    biases = {op.inputs[2] for op in before.operators if op.name == "CONV_2D"}
    changed = {
        t.index for t, u in zip(before.tensors, corrected.tensors, strict=True) if differ(t, u)
    }
    assert changed
    assert changed <= biases
    assert [op.name for op in corrected.operators] == [op.name for op in before.operators]


def differ(one: object, other: object) -> bool:
    first, second = one.data, other.data
    return (first is None) != (second is None) or (
        first is not None and first.tobytes() != second.tobytes()
    )


def test_mean_error_shrinks_on_samples_not_used_to_fit(
    residual: tuple[bytes, bytes], zoo: Zoo
) -> None:
    real, int8 = residual
    corrected = correct_biases(int8, real, zoo.samples("residual", 50))
    before = channel_errors(real, int8, zoo, "CONV_2D")
    after = channel_errors(real, corrected, zoo, "CONV_2D")
    assert np.abs(after).mean() < np.abs(before).mean()


def test_a_spoilt_bias_is_mended(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    real, int8 = residual
    graph = Graph(int8)
    first = next(op for op in graph.operators if graph.kind(op) == "CONV_2D")
    bias = int(first.inputs[2])
    graph.set_array(bias, graph.constant(bias) + np.int32(3000))
    spoilt = graph.pack()
    samples = zoo.samples("residual")
    seen = observe(real, samples, total=100)
    scores = [
        score(content, samples[50:], seen.outputs, range(50, 100)).sqnr
        for content in (int8, spoilt, correct_biases(spoilt, real, samples[:50]))
    ]
    assert scores[1] < scores[0] - 3
    assert scores[2] > scores[0] - 0.5


def test_segments_give_the_same_as_the_whole(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    _, int8 = residual
    model: TfliteModel = read_model(int8)
    graph = Graph(int8)
    (place,) = model.inputs
    (output,) = model.outputs
    samples = zoo.samples("residual", 5)
    states = [{place: quantize_input(s.inputs["x"], model.tensors[place])} for s in samples]
    for start in range(len(model.operators)):
        extract(graph, start, start + 1).run(states)
    runner = Runner(int8, model.input_names(), model.output_names(), kernels="builtin")
    for sample, state in zip(samples, states, strict=True):
        runner.run(sample.inputs)
        assert (runner.value(output) == state[output]).all()
