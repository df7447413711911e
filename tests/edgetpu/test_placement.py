"""Predicted placement against the truth, and the rules' consequences."""

from __future__ import annotations

import ast
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.edgetpu import Target, compile_model, from_compiled, placement_of, predict
from coral_action.edgetpu import operators as rules
from coral_action.edgetpu.log import ModelLog, Row
from coral_action.edgetpu.operators.documentation import MISSES, PREDICTED_ALL, PREDICTED_RIGHT
from coral_action.edgetpu.partition import partition
from coral_action.edgetpu.placement import disagreements
from coral_action.tflite import Operator, read_model
from edgetpu.conftest import StandIn
from edgetpu.graphs import Graph, chain


@pytest.fixture(scope="module")
def pairs(corpus: Path) -> list[dict[str, Any]]:
    folder = corpus / "corpus" / "compiled"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    found = [{**entry, "folder": folder} for entry in index if "operators" in entry]
    assert len(found) >= 13
    return found


def _truth(entry: dict[str, Any]) -> list[str]:
    return [operator["target"] for operator in entry["operators"]]


def test_placement_from_a_compiled_file_is_the_truth(pairs: list[dict[str, Any]]) -> None:
    for entry in pairs:
        original = read_model(entry["folder"] / entry["model"])
        compiled = read_model(entry["folder"] / entry["compiled"])
        placement = from_compiled(original, compiled)
        assert placement.origin == "compiler"
        assert [operator.target for operator in placement.operators] == _truth(entry)
        assert all(o.reason for o in placement.operators if o.target == "cpu"), entry["model"]
        assert not any(o.reason for o in placement.operators if o.target == "edge_tpu")


def test_at_least_99_percent_of_all_operators_are_predicted(pairs: list[dict[str, Any]]) -> None:
    right = total = 0
    lines = []
    for entry in pairs:
        placement = predict(read_model(entry["folder"] / entry["model"]))
        truth = _truth(entry)
        hits = sum(o.target == t for o, t in zip(placement.operators, truth, strict=True))
        missed = [
            f"{o.name} ({o.index}): {o.target}, truly {t}"
            for o, t in zip(placement.operators, truth, strict=True)
            if o.target != t
        ]
        lines.append(f"{hits:>4} of {len(truth):>4}  {entry['model']}  {'; '.join(missed)}")
        right, total = right + hits, total + len(truth)
    print("\n".join([*lines, f"{right} of {total} operators ({right / total:.2%})"]))  # noqa: T201
    assert right / total >= 0.99
    assert (right, total) == (PREDICTED_RIGHT, PREDICTED_ALL), "docs/operators.md is outdated"
    assert total - right == len(MISSES), "docs/operators.md has to explain every miss"


def test_no_rule_names_a_model(pairs: list[dict[str, Any]]) -> None:
    """Rules are about operators: no text in their code may come from a file of the corpus."""
    names = {Path(entry["model"]).stem.lower() for entry in pairs}
    words = {word for name in names for word in name.replace(".", "_").split("_") if len(word) > 5}
    words -= {"concat", "single", "quant", "decoder", "edgetpu", "posenet"}  # operators, not models
    modules = set(Path(rules.__file__).parent.glob("*.py"))
    for module in modules - {Path(rules.__file__).with_name("documentation.py")}:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        documentation = {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(
            n, ast.Module | ast.FunctionDef | ast.ClassDef
        )}  # fmt: skip
        texts = [
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and node.value not in documentation
        ]
        assert not any(word in text.lower() for text in texts for word in words), module


# --- parts of a graph -----------------------------------------------------------------------------


def _operators(*edges: tuple[list[int], list[int]]) -> list[Operator]:
    return [
        Operator(i, "ADD", 1, tuple(inputs), tuple(outputs), None)
        for i, (inputs, outputs) in enumerate(edges)
    ]


def test_a_branch_beside_an_unmapped_operator_stays_in_the_first_part() -> None:
    """Operator 1 is not mappable; operator 2 does not depend on it and joins the first part."""
    operators = _operators(([0], [1]), ([1], [2]), ([1], [3]), ([2, 3], [4]))
    parts = partition(operators, [True, False, True, True])
    assert [(part.mapped, part.operators) for part in parts] == [
        (True, (0, 2)),
        (False, (1,)),
        (True, (3,)),
    ]


def test_leading_cpu_operators_do_not_use_up_the_subgraph() -> None:
    operators = _operators(([0], [1]), ([1], [2]), ([2], [3]))
    parts = partition(operators, [False, True, True])
    assert [(part.mapped, part.operators) for part in parts] == [(False, (0,)), (True, (1, 2))]


def test_a_cycle_does_not_hang() -> None:
    assert partition(_operators(([2], [1]), ([1], [2])), [True, True]) == []


def test_several_subgraphs_where_allowed() -> None:
    model = read_model(chain(["RELU", "LEAKY_RELU", "RELU", "TANH"]))
    one = predict(model)
    assert (one.edge_tpu, one.subgraphs) == (1, 1)
    several = predict(model, Target(multiple_subgraphs=True))
    assert (several.edge_tpu, several.cpu, several.subgraphs) == (3, 1, 2)


def test_reasons_and_advice_tell_what_to_do() -> None:
    placement = predict(read_model(chain(["RELU", "LEAKY_RELU", "RELU"])))
    leaky, after = placement.operators[1:]
    assert leaky.reason == "LEAKY_RELU is not supported"
    assert "ReLU6" in leaky.advice
    assert after.reason == "it comes after LEAKY_RELU (operator 1), which stays on the CPU"
    assert after.advice == "cut the model before LEAKY_RELU: set `outputs: [t0]`"
    assert [finding.id for finding in placement.findings] == ["CQ101", "CQ108"]


def test_advice_names_what_the_float_model_has_as_well() -> None:
    graph = Graph()
    data = graph.input("in", (1, 8))
    names = ("left", "right", "left1", "bad", "out")
    left, right, again, bad, out = (graph.tensor(name, (1, 8)) for name in names)
    graph.operator("RELU", [data], [left])
    graph.operator("TANH", [data], [right])
    graph.operator("QUANTIZE", [left], [again])
    graph.operator("DIV", [again, right], [bad])
    graph.operator("RELU", [bad], [out])
    graph.output(out)
    (advice,) = (f.advice for f in predict(read_model(graph.bytes())).findings if f.id == "CQ108")
    assert advice == "cut the model before DIV: set `outputs: [left, right]`"


def test_a_refused_file_maps_nothing_and_names_the_operator() -> None:
    graph = Graph()
    data = graph.input("in", (1, 8))
    mid, out = graph.tensor("mid", (1, 8)), graph.tensor("out", (1, 8))
    graph.operator("RELU", [data], [mid])
    graph.operator("GELU", [mid], [out])
    placement = predict(read_model(graph.output(out).bytes()))
    assert placement.refused
    assert (placement.edge_tpu, placement.cpu, placement.subgraphs) == (0, 2, 0)
    assert "GELU (1)" in placement.operators[0].reason
    assert "CQ106" in [finding.id for finding in placement.findings]


def test_every_finding_of_a_rule_is_reported_not_only_the_first() -> None:
    graph = Graph()
    data = graph.input("in", (1, 8, 8, 4))
    out = graph.tensor("out", (1, 4, 8, 4, 1))
    begin, end, strides = (
        graph.tensor(name, (4,), "INT32", value)
        for name, value in (("b", [0] * 4), ("e", [1, 8, 8, 4]), ("s", [1, 2, 1, 1]))
    )
    graph.operator(
        "STRIDED_SLICE", [data, begin, end, strides], [out],
        options="StridedSliceOptions", newAxisMask=1, ellipsisMask=2,
    )  # fmt: skip
    placement = predict(read_model(graph.output(out).bytes()))
    assert [finding.id for finding in placement.findings].count("CQ127") == 3
    assert "CQ103" in [finding.id for finding in placement.findings]


def test_the_log_and_the_file_are_held_against_each_other() -> None:
    placed = predict(read_model(chain(["RELU", "RELU", "TANH"]))).operators
    right = ModelLog(operators=3, subgraphs=1, rows=[
        Row("RELU", 2, "Mapped to Edge TPU"), Row("TANH", 1, "Mapped to Edge TPU")
    ])  # fmt: skip
    assert disagreements(placed, 1, right) == []
    wrong = ModelLog(operators=3, subgraphs=2, rows=[
        Row("RELU", 2, "Mapped to Edge TPU"), Row("TANH", 1, "Operation not supported")
    ])  # fmt: skip
    messages = [finding.message for finding in disagreements(placed, 1, wrong)]
    assert len(messages) == 3
    assert any("2 Edge TPU subgraphs" in message for message in messages)
    assert any("0 TANH operators" in message for message in messages)


def test_a_told_end_is_predicted() -> None:
    placement = predict(read_model(chain(["RELU", "TANH", "RELU"])), Target(ends=("t0",)))
    assert [operator.target for operator in placement.operators] == ["edge_tpu", "cpu", "cpu"]
    assert "told to end before it" in placement.operators[1].reason
    assert "comes after TANH" in placement.operators[2].reason


def test_what_the_compiled_file_has_on_the_edge_tpu_blocks_nothing(
    corpus: Path, tmp_path: Path, stand_in: Callable[..., StandIn]
) -> None:
    """The rules expect RESIZE_BILINEAR 64 on the CPU; this compiler mapped it."""
    name = "deeplabv3_mnv2_dm05_pascal_quant.tflite"
    path = Path(shutil.copy(corpus / "corpus" / "compiled" / name, tmp_path / name))
    compiler = stand_in(cpu=["LOGISTIC", "CONCATENATION"])
    compiled = compile_model(compiler.path, path, EdgeTpuConfig(multiple_subgraphs=True))
    placement = placement_of(read_model(path), compiled)
    resized, joined = placement.operators[64], placement.operators[66]
    assert (resized.name, resized.target) == ("RESIZE_BILINEAR", "edge_tpu")
    assert (joined.name, joined.target, joined.rule) == ("CONCATENATION", "cpu", "CQ109")
    assert joined.reason.startswith("the compiler left it on the CPU")
    assert "CQ108" not in [finding.id for finding in placement.findings]


def test_a_true_blocker_further_up_is_still_named(corpus: Path) -> None:
    """Of the real compiled file of the same model: who is blamed did stay on the CPU."""
    folder = corpus / "corpus" / "compiled"
    original = read_model(folder / "deeplabv3_mnv2_dm05_pascal_quant.tflite")
    compiled = read_model(folder / "deeplabv3_mnv2_dm05_pascal_quant_edgetpu.tflite")
    placement = from_compiled(original, compiled)
    after = [operator for operator in placement.operators if operator.rule == "CQ108"]
    assert after
    for operator in after:
        blamed = int(operator.reason.partition("(operator ")[2].partition(")")[0])
        assert placement.operators[blamed].target == "cpu"
