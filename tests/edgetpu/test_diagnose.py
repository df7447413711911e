"""Finding the operator that makes the compiler fail."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.edgetpu.cut import cut
from coral_action.edgetpu.diagnose import diagnose
from coral_action.edgetpu.fault_search import FaultSearch, Operators
from coral_action.tflite import read_model
from edgetpu.conftest import StandIn
from edgetpu.graphs import chain

Make = Callable[..., StandIn]


@pytest.fixture
def deep(tmp_path: Path) -> Path:
    """A model of 150 operators."""
    kinds = random.Random(3).choices(["RELU", "ADD", "LOGISTIC", "TANH"], k=150)
    path = tmp_path / "deep.tflite"
    path.write_bytes(chain(kinds))
    return path


@pytest.mark.parametrize("how", ["silent", "large_activation", "segfault"])
def test_one_fault_deep_in_150_operators_in_at_most_20_runs(
    stand_in: Make, deep: Path, how: str
) -> None:
    compiler = stand_in(fail_on=["t97"], how=how)
    found = diagnose(compiler.path, deep, EdgeTpuConfig())
    assert [culprit.operators for culprit in found.culprits] == [(97,)]
    assert found.culprits[0].layer == "t97"
    assert found.culprits[0].minimal
    assert found.reproducible
    assert found.complete
    assert found.runs == len(compiler.runs) <= 20
    assert "operator 97" in found.summary
    finding = found.findings()[0]
    assert finding.id == "CQ157"
    assert "1x8x8x4 -> 1x8x8x4" in finding.message
    assert finding.advice


def test_two_faults_are_both_found(stand_in: Make, deep: Path) -> None:
    compiler = stand_in(fail_on=["t31", "t118"], how="internal")
    found = diagnose(compiler.path, deep, EdgeTpuConfig())
    assert [culprit.operators for culprit in found.culprits] == [(31,), (118,)]
    assert len(found.findings()) == 2


def test_what_does_not_fail_again_is_said_to_be_not_reproducible(
    stand_in: Make, deep: Path
) -> None:
    compiler = stand_in()
    found = diagnose(compiler.path, deep, EdgeTpuConfig())
    assert found.culprits == ()
    assert not found.reproducible
    assert "not reproducible" in found.summary
    assert len(compiler.runs) == 1
    assert [finding.id for finding in found.findings()] == ["CQ157"]


def test_two_operators_that_fail_only_together(stand_in: Make, deep: Path) -> None:
    compiler = stand_in(fail_on=["t40", "t90"], fail_together=True)
    found = diagnose(compiler.path, deep, EdgeTpuConfig())
    assert [culprit.operators for culprit in found.culprits] == [(40, 90)]


def test_a_search_without_time_says_so(stand_in: Make, deep: Path) -> None:
    compiler = stand_in(fail_on=["t97"], how="silent", seconds=0.6)
    found = diagnose(compiler.path, deep, EdgeTpuConfig(diagnose_seconds=2), workers=1)
    assert not found.complete
    assert "ended" in found.summary


# --- the search alone -----------------------------------------------------------------------------


def _search(
    count: int, faults: Sequence[Operators], width: int, budget: int = 60
) -> tuple[list[tuple[int, ...]], int]:
    asked = []

    def ask(parts: Sequence[Operators]) -> list[bool]:
        asked.extend(parts)
        return [any(fault <= part for fault in faults) for part in parts]

    found = FaultSearch(count, ask, width, budget).run()
    assert found.complete
    assert len(asked) == len(set(asked))
    return [fault.operators for fault in found.faults], len(asked)


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_every_single_fault_in_150_operators_needs_at_most_20_runs(width: int) -> None:
    worst = 0
    for place in range(150):
        found, runs = _search(150, [frozenset({place})], width)
        assert found == [(place,)]
        worst = max(worst, runs)
    assert worst <= 20


@given(
    st.integers(2, 200).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1, max_size=4))
    ),
    st.integers(1, 4),
)
def test_all_single_faults_are_found(case: tuple[int, set[int]], width: int) -> None:
    count, places = case
    found, _ = _search(count, [frozenset({p}) for p in places], width, budget=1000)
    assert found == [(place,) for place in sorted(places)]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 4))
def test_the_part_found_for_a_pair_fails_and_has_both(one: int, two: int, width: int) -> None:
    pair = frozenset({one, two})
    found, _ = _search(61, [pair], width, budget=1000)
    assert [set(part) for part in found] == [set(pair)]


# --- cutting --------------------------------------------------------------------------------------


def test_a_part_of_a_real_model_computes_what_it_did_in_the_whole(corpus: Path) -> None:
    path = corpus / "corpus" / "compiled" / "mobilenet_v1_0.25_128_quant.tflite"
    content, model = path.read_bytes(), read_model(path)
    whole = _interpreter(content)
    pixels = np.random.default_rng(5).integers(0, 256, (1, 128, 128, 3), np.uint8)
    whole.set_tensor(model.inputs[0], pixels)
    whole.invoke()
    for kept in (range(5, 20), range(28, 31), [0], [12]):
        part_content = cut(content, model, set(kept))
        part, view = _interpreter(part_content), read_model(part_content)
        index = {tensor.name: tensor.index for tensor in model.tensors}
        for i in view.inputs:
            part.set_tensor(i, whole.get_tensor(index[view.tensors[i].name]))
        part.invoke()
        for o in view.outputs:
            name = view.tensors[o].name
            assert np.array_equal(part.get_tensor(o), whole.get_tensor(index[name])), name


def _interpreter(content: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    return interpreter


def test_parts_carry_only_their_own_weights() -> None:
    content = chain(["ADD"] * 10, weights=4)
    model = read_model(content)
    part = read_model(cut(content, model, {3, 4}))
    assert [operator.name for operator in part.operators] == ["ADD", "ADD"]
    assert [part.tensors[i].name for i in part.inputs] == ["t2"]
    assert [part.tensors[i].name for i in part.outputs] == ["t4"]
    assert sorted(t.name for t in part.tensors if t.is_constant) == ["c3", "c4"]
