"""Each rule: a graph that breaks it and one beside it that does not."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coral_action.edgetpu import Target, predict
from coral_action.edgetpu.operators import NEWEST_VERSIONS, RULES, SUPPORTED_SINCE
from coral_action.tflite import read_model
from edgetpu.graphs import Graph, Shape

PROJECT = Path(__file__).resolve().parents[2]


def _ids(graph: Graph, target: Target | None = None) -> set[str]:
    return {finding.id for finding in predict(read_model(graph.bytes()), target).findings}


def _one(
    name: str,
    shape: Shape,
    out: Shape,
    *constants: Any,
    types: tuple[str, str] = ("INT8", "INT8"),
    constant_first: bool = False,
    **options: Any,
) -> Graph:
    """One operator with one computed input; `constants` are (shape, type, value)."""
    graph = Graph()
    data = graph.input("in", shape, types[0])
    others = [graph.tensor(f"c{i}", s, t, v) for i, (s, t, v) in enumerate(constants)]
    made = graph.tensor("out", out, types[1])
    inputs = [*others, data] if constant_first else [data, *others]
    graph.operator(name, inputs, [made], **options)
    return graph.output(made)


def _conv(shape: Shape = (1, 8, 8, 4), channels: int = 4, **options: Any) -> Graph:
    weights = ((2, 1, 1, channels), "INT8", [1] * 2 * channels)
    bias = ((2,), "INT32", [0, 0])
    return _one(
        "CONV_2D", shape, (*shape[:3], 2), weights, bias, options="Conv2DOptions", **options
    )


def _dense(rows: int = 1, **options: Any) -> Graph:
    weights = ((2, 4), "INT8", [1] * 8)
    return _one("FULLY_CONNECTED", (rows, 4), (rows, 2), weights, **options)


def _axes(name: str, shape: Shape, out: Shape, axes: list[int]) -> Graph:
    return _one(name, shape, out, ((len(axes),), "INT32", axes))


def _pad(pads: list[list[int]]) -> Graph:
    return _one("PAD", (1, 4, 4, 2), (1, 6, 6, 4), ((4, 2), "INT32", pads))


def _resize(name: str, before: int, after: int) -> Graph:
    size = ((2,), "INT32", [after, after])
    return _one(name, (1, before, before, 4), (1, after, after, 4), size)


def _concat(values: list[int] | None, others: int, zero_point: int = 0) -> Graph:
    graph = Graph()
    inputs = [graph.input(f"in{i}", (1, 4)) for i in range(others)]
    if values is not None:
        inputs.append(graph.tensor("k", (1, 4), value=values, zero_point=zero_point))
    out = graph.tensor("out", (1, 4 * len(inputs)))
    graph.operator("CONCATENATION", inputs, [out])
    return graph.output(out)


def _split(axis: int, outputs: int) -> Graph:
    graph = Graph()
    at = graph.tensor("axis", (), "INT32", axis)
    data = graph.input("in", (4, 6, 8))
    made = [graph.tensor(f"out{i}", (4, 6, 8)) for i in range(outputs)]
    graph.operator("SPLIT", [at, data], made)
    return graph.output(*made)


def _pack(shape: Shape, out: Shape, axis: int) -> Graph:
    graph = Graph()
    inputs = [graph.input(f"in{i}", shape) for i in range(2)]
    made = graph.tensor("out", out)
    graph.operator("PACK", inputs, [made], options="PackOptions", axis=axis, valuesCount=2)
    return graph.output(made)


def _computed_weights() -> Graph:
    graph = Graph()
    data, weights = graph.input("in", (1, 4)), graph.input("w", (2, 4))
    out = graph.tensor("out", (1, 2))
    graph.operator("FULLY_CONNECTED", [data, weights], [out])
    return graph.output(out)


def _computed_shape() -> Graph:
    graph = Graph()
    data, shape = graph.input("in", (1, 4)), graph.input("s", (2,), "INT32")
    out = graph.tensor("out", (2, 2))
    graph.operator("RESHAPE", [data, shape], [out])
    return graph.output(out)


def _boxes_and_scores(scale: float) -> Graph:
    graph = Graph()
    boxes = graph.input("boxes", (1, 10, 4), scale=2.5)
    scores = graph.input("scores", (1, 10, 4), scale=scale)
    again = graph.tensor("again", (1, 10, 4), scale=2.5)
    out = graph.tensor("out", (1, 10, 8), scale=2.5)
    graph.operator("QUANTIZE", [scores], [again])
    graph.operator("CONCATENATION", [boxes, again], [out], options="ConcatenationOptions", axis=2)
    return graph.output(out)


POOL = {"options": "Pool2DOptions"}
CASES: list[tuple[str, Callable[[], Graph], Callable[[], Graph]]] = [
    ("CQ101", lambda: _one("LEAKY_RELU", (1, 4), (1, 4)), lambda: _one("RELU", (1, 4), (1, 4))),
    ("CQ101", lambda: _one("CUSTOM:TFLite_Detection_PostProcess", (1, 4), (1, 4)), _dense),
    (
        "CQ102",
        lambda: _one("QUANTIZE", (1, 4), (1, 4), types=("FLOAT32", "INT8")),
        lambda: _one("QUANTIZE", (1, 4), (1, 4), types=("UINT8", "INT8")),
    ),
    (
        "CQ102",
        lambda: _one("ADD", (1, 4), (1, 4), ((4,), "FLOAT32", [1.0] * 4)),
        lambda: _one("ADD", (1, 4), (1, 4), ((4,), "INT8", [1] * 4)),
    ),
    (
        "CQ103",
        lambda: _one("RELU", (2, 4, 4, 2), (2, 4, 4, 2)),
        lambda: _one("RELU", (-1, 4, 4, 2), (-1, 4, 4, 2)),
    ),
    (
        "CQ103",
        lambda: _one("RESHAPE", (1, 24), (1, 2, 3, 2, 2)),
        lambda: _one("RESHAPE", (1, 24), (1, 1, 2, 3, 4)),
    ),
    ("CQ104", _computed_weights, _dense),
    ("CQ106", lambda: _conv(version=6), lambda: _conv(version=5)),
    ("CQ106", lambda: _one("CUSTOM:FlexAtan", (1, 4), (1, 4)), _dense),
    ("CQ106", lambda: _one("GELU", (1, 4), (1, 4)), _dense),
    (
        "CQ107",
        _computed_shape,
        lambda: _one("RESHAPE", (1, 4), (2, 2), ((2,), "INT32", [2, 2])),
    ),
    (
        "CQ111",
        lambda: _conv(dilationHFactor=2, dilationWFactor=1),
        lambda: _conv(dilationHFactor=2, dilationWFactor=2),
    ),
    ("CQ112", lambda: _conv(channels=2), _conv),
    ("CQ113", lambda: _dense(rows=3), _dense),
    (
        "CQ113",
        lambda: _dense(options="FullyConnectedOptions", weightsFormat=1),
        lambda: _dense(options="FullyConnectedOptions", weightsFormat=0),
    ),
    (
        "CQ115",
        lambda: _one("MAX_POOL_2D", (1, 4, 4, 2), (1, 2, 2, 2), **POOL, fusedActivationFunction=1),
        lambda: _one("MAX_POOL_2D", (1, 4, 4, 2), (1, 2, 2, 2), **POOL, fusedActivationFunction=0),
    ),
    (
        "CQ116",
        lambda: _one("PRELU", (1, 4, 4, 2), (1, 4, 4, 2), ((4, 4, 2), "INT8", [1] * 32)),
        lambda: _one("PRELU", (1, 4, 4, 2), (1, 4, 4, 2), ((1, 1, 2), "INT8", [1, 1])),
    ),
    (
        "CQ118",
        lambda: _one("SOFTMAX", (1, 16_001), (1, 16_001)),
        lambda: _one("SOFTMAX", (1, 16_000), (1, 16_000)),
    ),
    (
        "CQ118",
        lambda: _one("SOFTMAX", (1, 9, 10), (1, 9, 10)),
        lambda: _one("SOFTMAX", (1, 1, 10), (1, 1, 10)),
    ),
    (
        "CQ121",
        lambda: _axes("SUM", (1, 4, 4, 2), (1, 2), [0, 1, 2]),
        lambda: _axes("SUM", (1, 4, 4, 2), (1, 2), [-3, -2]),
    ),
    (
        "CQ122",
        lambda: _axes("MEAN", (1, 4, 4, 3), (1, 4, 4), [-1]),
        lambda: _axes("MEAN", (1, 4, 4, 8), (1, 4, 4), [3]),
    ),
    (
        "CQ123",
        lambda: _axes("MEAN", (1, 256, 128, 3), (1, 3), [1, 2]),
        lambda: _axes("MEAN", (1, 64, 64, 3), (1, 3), [1, 2]),
    ),
    (
        "CQ124",
        lambda: _pad([[1, 1], [1, 1], [1, 1], [0, 0]]),
        lambda: _pad([[0, 0], [1, 1], [1, 1], [1, 1]]),
    ),
    (
        "CQ125",
        lambda: _pack((4, 1, 2), (2, 4, 1, 2), 0),
        lambda: _pack((49, 128), (2, 49, 128), 0),
    ),
    ("CQ126", lambda: _split(0, 2), lambda: _split(2, 2)),
    ("CQ126", lambda: _split(-3, 2), lambda: _split(0, 1)),
    ("CQ128", lambda: _concat([0, 0, 1, 0], 1), lambda: _concat([0] * 4, 1)),
    ("CQ128", lambda: _concat([0] * 4, 2), lambda: _concat(None, 3)),
    ("CQ128", lambda: _concat([0] * 4, 1, zero_point=-3), lambda: _concat([-3] * 4, 1, -3)),
    (
        "CQ129",
        lambda: _resize("RESIZE_BILINEAR", 33, 513),
        lambda: _resize("RESIZE_BILINEAR", 24, 48),
    ),
    (
        "CQ129",
        lambda: _resize("RESIZE_NEAREST_NEIGHBOR", 1, 33),
        lambda: _resize("RESIZE_NEAREST_NEIGHBOR", 4, 7),
    ),
    ("CQ141", lambda: _boxes_and_scores(1 / 256), lambda: _boxes_and_scores(1.0)),
    (
        "CQ142",
        lambda: _one("RELU", (1, 4096, 4096, 2), (1, 4096, 4096, 2)),
        lambda: _one("RELU", (1, 2048, 2048, 2), (1, 2048, 2048, 2)),
    ),
]


@pytest.mark.parametrize(("id_", "broken", "kept"), CASES)
def test_a_rule_tells_what_breaks_it_from_what_keeps_it(
    id_: str, broken: Callable[[], Graph], kept: Callable[[], Graph]
) -> None:
    assert id_ in _ids(broken())
    assert id_ not in _ids(kept())


@pytest.mark.parametrize(
    ("graph", "version", "id_"),
    [
        (lambda: _one("QUANTIZE", (1, 4), (1, 4)), 12, "CQ105"),
        (lambda: _one("TRANSPOSE", (1, 4), (4, 1), ((2,), "INT32", [1, 0])), 13, "CQ105"),
        (lambda: _one("RELU", (1, 4), (1, 4)), 11, "CQ105"),
        (lambda: _pad([[0, 0], [1, 1], [1, 1], [1, 1]]), 12, "CQ124"),
        (lambda: _axes("MEAN", (1, 4, 4, 8), (1, 4, 4), [3]), 12, "CQ122"),
        (lambda: _one("SQUEEZE", (1, 4, 4, 1), (1, 4, 4)), 12, "CQ130"),
    ],
)
def test_an_older_runtime_maps_less(graph: Callable[[], Graph], version: int, id_: str) -> None:
    assert id_ not in _ids(graph())
    assert id_ in _ids(graph(), Target(min_runtime_version=version))


def test_a_depthwise_dilation_needs_runtime_13() -> None:
    graph = _one(
        "DEPTHWISE_CONV_2D", (1, 8, 8, 2), (1, 8, 8, 2), ((1, 1, 1, 2), "INT8", [1, 1]),
        options="DepthwiseConv2DOptions", dilationHFactor=2, dilationWFactor=2,
    )  # fmt: skip
    assert "CQ111" in _ids(graph, Target(min_runtime_version=12))
    assert "CQ111" not in _ids(graph, Target(min_runtime_version=13))


@pytest.mark.parametrize(
    ("rows", "columns", "warned"), [(180, 14_400, True), (1000, 2048, False), (100_000, 8, True)]
)
def test_wide_layers_are_a_risk_and_no_verdict(rows: int, columns: int, warned: bool) -> None:
    graph = Graph()
    data = graph.input("in", (1, columns))
    weights = graph.tensor("w", (rows, columns), value=[[0] * columns] * rows)
    out = graph.tensor("out", (1, rows))
    graph.operator("FULLY_CONNECTED", [data, weights], [out])
    placement = predict(read_model(graph.output(out).bytes()))
    assert placement.edge_tpu == 1
    assert ("CQ114" in [finding.id for finding in placement.findings]) == warned


def test_the_version_table_reproduces_every_recorded_refusal_of_16(corpus: Path) -> None:
    pattern = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")
    seen = []
    for path in sorted((corpus / "corpus" / "logs").glob("*_v16.txt")):
        seen += pattern.findall(path.read_text(encoding="utf-8", errors="replace"))
    assert len(seen) >= 4
    for name, version in seen:
        assert int(version) > NEWEST_VERSIONS[name], name


def test_the_support_table_is_the_documented_one(corpus: Path) -> None:
    import json

    documented = json.loads((corpus / "corpus" / "op_rules.json").read_text(encoding="utf-8"))
    text = json.dumps(documented)
    assert {name for name in SUPPORTED_SINCE if f'"{name}"' not in text} == set()


def test_every_rule_has_an_id_a_source_and_documentation() -> None:
    assert len(RULES) > 25
    assert len({rule.id for rule in RULES}) == len(RULES)
    findings = (PROJECT / "docs" / "findings.md").read_text(encoding="utf-8")
    for rule in RULES:
        assert re.fullmatch(r"CQ1[0-4]\d", rule.id)
        assert rule.sources
        assert rule.title.endswith(".")
        assert f"### {rule.id}\n" in findings, rule.id


def test_the_generated_documentation_is_current() -> None:
    from coral_action.edgetpu.operators.documentation import operators_page

    committed = (PROJECT / "docs" / "operators.md").read_text(encoding="utf-8")
    assert committed == operators_page(), "run: python -m coral_action.edgetpu.operators"
