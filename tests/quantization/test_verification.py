"""Each check on a real int8 model with one thing broken."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from zoo_support import Quantize, Zoo, quantized, zoo  # noqa: F401 - fixtures too

from coral_action.errors import DataError, QuantizationError
from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.graph import Graph
from coral_action.quantization.observation import observe
from coral_action.quantization.quantizer import annotate, quantize
from coral_action.quantization.verification import verify, verify_float
from coral_action.tflite import read_model, schema


@pytest.fixture(scope="module")
def int8(zoo: Zoo) -> bytes:
    content = zoo.content("chain")
    seen = observe(content, zoo.samples("chain"), total=100)
    return quantize(annotate(content, CALIBRATORS["min_max"](seen, Options())))


def test_a_good_model_has_no_findings(int8: bytes) -> None:
    assert verify(read_model(int8)) == []


def break_bias(graph: Graph) -> None:
    bias = int(graph.operators[0].inputs[2])
    graph.set_array(bias, graph.constant(bias).astype(np.int64))
    graph.tensors[bias].type = schema().TensorType.INT64


def break_scale(graph: Graph) -> None:
    graph.tensors[int(graph.operators[0].outputs[0])].quantization.scale = [0.0]


def drop_scale(graph: Graph) -> None:
    graph.tensors[int(graph.operators[0].outputs[0])].quantization = None


def huge_scale(graph: Graph) -> None:
    graph.tensors[int(graph.operators[0].outputs[0])].quantization.scale = [1e28]


def open_shape(graph: Graph) -> None:
    tensor = graph.tensors[graph.inputs[0]]
    tensor.shapeSignature = np.array([-1, *graph.shape(graph.inputs[0])[1:]], dtype=np.int32)


def second_subgraph(graph: Graph) -> None:
    graph.model.subgraphs.append(graph.model.subgraphs[0])


def half_float(graph: Graph) -> None:
    graph.tensors[int(graph.operators[1].outputs[0])].type = schema().TensorType.FLOAT16


def hybrid(graph: Graph) -> None:
    operator = graph.operators[2]
    for index in (int(operator.inputs[0]), int(operator.outputs[0])):
        graph.tensors[index].type = schema().TensorType.FLOAT32


def dequantize(graph: Graph) -> None:
    source = int(graph.operators[-1].outputs[0])
    output = graph.add_tensor("float_again", graph.shape(source))
    graph.operators.append(graph.make_operator("DEQUANTIZE", [source], [output]))
    graph.outputs = [output]
    graph.model.signatureDefs = []


def crossed_signature(graph: Graph) -> None:
    graph.model.signatureDefs[0].inputs[0].tensorIndex = graph.outputs[0]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (break_bias, {"CQ204"}),
        (break_scale, {"CQ205"}),
        (drop_scale, {"CQ205"}),
        (huge_scale, {"CQ210"}),
        (open_shape, {"CQ206"}),
        (crossed_signature, {"CQ212"}),
        (second_subgraph, {"CQ207"}),
        (half_float, {"CQ201", "CQ208", "CQ209"}),
        (hybrid, {"CQ201", "CQ208"}),
        (dequantize, {"CQ202", "CQ203"}),
    ],
)
def test_damage_is_found(int8: bytes, damage: Callable[[Graph], None], expected: set[str]) -> None:
    graph = Graph(int8)
    damage(graph)
    assert {finding.id for finding in verify(read_model(graph.pack()))} == expected


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30])
def test_a_broken_weight_is_an_error_and_named(zoo: Zoo, value: float) -> None:
    graph = Graph(zoo.content("chain"))
    weights = int(graph.operators[2].inputs[1])
    broken = graph.constant(weights).copy()
    broken.flat[17] = value
    graph.set_array(weights, broken)
    (finding,) = verify_float(read_model(graph.pack()))
    assert finding.id == "CQ211"
    assert finding.operator == "CONV_2D (operator 2)"
    assert finding.tensor == graph.name(weights)


def test_a_mask_is_no_broken_weight(zoo: Zoo) -> None:
    (finding,) = verify_float(read_model(zoo.content("masked")))
    assert finding.id == "CQ211"
    assert "mask" in finding.message
    assert "such as -100" in finding.advice


def test_padding_that_stays_is_named(quantized: Quantize) -> None:
    with pytest.raises(QuantizationError, match=r"padding value .* of PADV2") as caught:
        quantized("pool_signed", quantization={"rewrites": False})
    assert {finding.id for finding in caught.value.findings} == {"CQ211"}
    assert "pad with 0" in caught.value.findings[0].advice


def test_nan_weight_stops_quantization(quantized: Quantize) -> None:
    with pytest.raises(QuantizationError, match="nan") as caught:
        quantized("nan_weight")
    assert {finding.id for finding in caught.value.findings} == {"CQ211"}


def test_float_operator_left_is_an_error_and_writes_nothing(
    quantized: Quantize, zoo: Zoo, tmp_path: object
) -> None:
    with pytest.raises(QuantizationError, match="SQUARE") as caught:
        quantized("square_neg", calibration={"method": "min_max"}, quantization={"rewrites": False})
    assert "CQ201" in {finding.id for finding in caught.value.findings}
    assert not list(tmp_path.iterdir())


def test_nan_in_the_model_is_an_error_that_names_the_sample(quantized: Quantize) -> None:
    with pytest.raises(DataError, match=r"log\.npy\[\d+\] makes the float model's tensor"):
        quantized("log")
