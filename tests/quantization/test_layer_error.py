# ruff: noqa: F811 - fixtures are imported by name
from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from zoo_support import Zoo, every_tensor, zoo  # noqa: F401 - fixtures too

from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.graph import Graph
from coral_action.quantization.layer_error import LayerError, layer_errors
from coral_action.quantization.layer_histogram import activation_histograms
from coral_action.quantization.observation import observe
from coral_action.quantization.quantizer import annotate, quantize
from coral_action.tflite import Tensor, read_model

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")


@pytest.fixture(scope="module")
def residual(zoo: Zoo) -> tuple[bytes, bytes]:
    content = zoo.content("residual")
    seen = observe(content, zoo.samples("residual"), total=100)
    return content, quantize(annotate(content, CALIBRATORS["min_max"](seen, Options())))


def test_sqnr_of_every_layer_against_models_with_every_tensor_as_output(
    residual: tuple[bytes, bytes], zoo: Zoo
) -> None:
    """Also that no in-place operator has overwritten what is compared."""
    real, int8 = residual
    samples = zoo.samples("residual", 12)
    floats = every_tensor(real, samples)
    names = {Graph(real).name(i): i for i in floats}
    errors = {error.tensor: error.sqnr for error in layer_errors(int8, real, samples)}
    graph = Graph(int8)
    expected = {}
    for index, values in int8_values(graph, samples).items():
        if graph.name(index) in names and graph.producer(index) is not None:
            x = floats[names[graph.name(index)]].astype(np.float64)
            expected[graph.name(index)] = 10 * np.log10((x**2).sum() / ((x - values) ** 2).sum())
    assert len(expected) >= 6
    assert errors == pytest.approx(expected, abs=0.01)


def int8_values(graph: Graph, samples: list) -> dict[int, np.ndarray]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    (place,), inner = graph.inputs, [i for i, op in graph.activations() if op is not None]
    graph.outputs = inner
    graph.model.signatureDefs = []
    interpreter = Interpreter(
        model_content=graph.pack(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    details = {d["index"]: d for d in interpreter.get_tensor_details()}

    def real(index: int) -> np.ndarray:
        scale, zero = details[index]["quantization"]
        return (interpreter.get_tensor(index).astype(np.float64) - zero) * scale

    values: dict[int, list[np.ndarray]] = {i: [] for i in inner}
    for sample in samples:
        scale, zero = details[place]["quantization"]
        stored = np.clip(np.rint(sample.inputs["x"] / np.float32(scale)) + zero, -128, 127)
        interpreter.set_tensor(place, stored.astype(np.int8))
        interpreter.invoke()
        for index in inner:
            values[index].append(real(index))
    return {index: np.stack(arrays) for index, arrays in values.items()}


def test_a_spoilt_layer_is_named_first(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    real, int8 = residual
    graph = Graph(int8)
    second = [op for op in graph.operators if graph.kind(op) == "CONV_2D"][1]
    weights = int(second.inputs[1])
    graph.set_array(weights, graph.constant(weights)[::-1].copy())
    worst = layer_errors(graph.pack(), real, zoo.samples("residual", 8))[0]
    assert worst.tensor == graph.name(int(second.outputs[0]))
    assert worst.operator.startswith("CONV_2D")


def test_at_most_32_samples_are_used(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    real, int8 = residual
    assert layer_errors(int8, real, zoo.samples("residual", 100)) == layer_errors(
        int8, real, zoo.samples("residual", 32)
    )


def test_histograms_count_the_float_values_of_a_layer_and_its_weights(
    residual: tuple[bytes, bytes], zoo: Zoo
) -> None:
    real, int8 = residual
    samples = zoo.samples("residual", 12)
    errors = layer_errors(int8, real, samples)
    shown = layer_errors(int8, real, samples, histograms=99)
    assert [replace(e, activations=None, weights=None) for e in shown] == errors
    floats = every_tensor(real, samples[:8])
    graph, quantized = Graph(real), read_model(int8)
    names = {graph.name(i): i for i in floats}
    weighted = 0
    for error in shown:
        values = floats[names[error.tensor]].astype(np.float64)
        assert values.size <= 8 * 65536  # else only a part would be counted
        found = error.activations
        assert found is not None
        seen = (values.min(), values.max())
        assert (found.low, found.high) == pytest.approx(seen, rel=1e-5, abs=1e-6)
        assert sum(found.counts) == values.size
        # A value on the edge of two bins may fall to either side.
        below = np.searchsorted(np.sort(values.ravel()), np.linspace(found.low, found.high, 65))
        assert np.abs(np.cumsum(found.counts) - below[1:]).max() <= 8 + (values == 0).sum()
        tensor = next(t for t in quantized.tensors if t.name == error.tensor and not t.is_constant)
        ends = [(end - tensor.zero_points[0]) * tensor.scales[0] for end in (-128, 127)]
        assert [found.int8_low, found.int8_high] == pytest.approx(ends)
        producer = graph.producer(names[error.tensor])
        if producer is not None and graph.kind(producer) == "CONV_2D":
            kernel = graph.constant(int(producer.inputs[1]))
            assert error.weights is not None
            assert sum(error.weights.counts) == kernel.size
            assert (error.weights.low, error.weights.high) == (kernel.min(), kernel.max())
            assert error.weights.int8_high >= max(kernel.max(), -kernel.min()) * 0.999
            weighted += 1
        else:
            assert error.weights is None or graph.kind(producer) in WEIGHTED
    assert weighted >= 3


def test_histograms_cross_to_the_parent_as_json(residual: tuple[bytes, bytes], zoo: Zoo) -> None:
    real, int8 = residual
    samples = zoo.samples("residual", 2)
    errors = layer_errors(int8, real, samples, histograms=3)
    for error in errors:
        assert LayerError.from_json(json.loads(json.dumps(error.to_json()))) == error
    assert all(error.activations for error in errors[:3])
    assert not any(error.activations or error.weights for error in errors[3:])


def test_values_far_from_the_others_are_seen_whatever_part_is_counted() -> None:
    """One value of a million sets the range; a constant tensor has a range, too."""
    values = np.zeros((1, 1000, 1000, 1), np.float32)
    values[0, 500, 501] = 40
    tensor = Tensor(0, "x", values.shape, "INT8", (0.5,), (-10,), 0, None)

    class Reference:
        def values(self, samples: list, tensors: list) -> list:
            return [[values]]

    found = activation_histograms(Reference(), [], [(0, tensor)])[0]
    assert (found.low, found.high) == (0, 40)
    assert (found.int8_low, found.int8_high) == (-59, 68.5)
    values[:] = 7
    flat = activation_histograms(Reference(), [], [(0, tensor)])[0]
    assert flat.low < 7 < flat.high
