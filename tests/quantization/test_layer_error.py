# ruff: noqa: F811 - fixtures are imported by name
from __future__ import annotations

import numpy as np
import pytest
from zoo_support import Zoo, every_tensor, zoo  # noqa: F401 - fixtures too

from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.graph import Graph
from coral_action.quantization.layer_error import layer_errors
from coral_action.quantization.observation import observe
from coral_action.quantization.quantizer import annotate, quantize


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
