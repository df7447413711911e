"""Files that are small and unfold to something huge, made on purpose: fuzzing seldom finds them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from harness import PROJECT

MANY = 60_000


def table(builder: flatbuffers.Builder, **fields: int) -> int:
    """A flatbuffer table; fields are `f<number>`, values are offsets."""
    builder.StartObject(12)
    for name, offset in fields.items():
        builder.PrependUOffsetTRelativeSlot(int(name[1:]), offset, 0)
    return int(builder.EndObject())


def same(builder: flatbuffers.Builder, offset: int, count: int = MANY) -> int:
    """A list of one table, again and again."""
    builder.StartVector(4, count, 4)
    for _ in range(count):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def numbers(builder: flatbuffers.Builder) -> int:
    return int(builder.CreateByteVector(bytes(4 * MANY)))


def finish(builder: flatbuffers.Builder, root: int, identifier: bytes) -> bytes:
    builder.Finish(root, identifier)
    return bytes(builder.Output())


def subgraphs_of_operators() -> bytes:
    b = flatbuffers.Builder(0)
    graph = table(b, f3=same(b, table(b)))
    return finish(b, table(b, f2=same(b, graph)), b"TFL3")


def tensors_with_one_shape() -> bytes:
    b = flatbuffers.Builder(0)
    tensor = table(b, f0=numbers(b))
    return finish(b, table(b, f2=same(b, table(b, f0=same(b, tensor)), 1)), b"TFL3")


def tensors_with_one_name() -> bytes:
    b = flatbuffers.Builder(0)
    tensor = table(b, f3=int(b.CreateString("x" * 4 * MANY)))
    return finish(b, table(b, f2=same(b, table(b, f0=same(b, tensor)), 1)), b"TFL3")


def signatures() -> bytes:
    b = flatbuffers.Builder(0)
    signature = table(b, f0=same(b, table(b)), f1=same(b, table(b)))
    return finish(b, table(b, f7=same(b, signature)), b"TFL3")


def package(executables: Callable[[flatbuffers.Builder], int]) -> bytes:
    """A compiled file whose package has these executables."""
    from edgetpu.graphs import Graph
    from flatbuffers import flexbuffers

    from coral_action.tflite import pack

    inner = flatbuffers.Builder(0)
    multi = finish(inner, table(inner, f0=executables(inner)), b"\0\0\0\0")
    outer = flatbuffers.Builder(0)
    root = table(outer, f1=int(outer.CreateByteVector(multi)))
    options = flexbuffers.Builder()
    with options.Map():
        options.Key("4")
        options.Blob(finish(outer, root, b"DWN1"))
    graph = Graph()
    first = graph.input("a", (1, 8))
    last = graph.tensor("b", (1, 8))
    graph.operator("RELU", [first], [last])
    graph.model.operatorCodes[0].builtinCode = 32  # CUSTOM
    graph.model.operatorCodes[0].deprecatedBuiltinCode = 32
    graph.model.operatorCodes[0].customCode = "edgetpu-custom-op"
    graph.graph.operators[0].customOptions = list(options.Finish())
    graph.graph.outputs = [last]
    return bytes(pack(graph.model))


def one_executable_many_times() -> bytes:
    return package(lambda b: same(b, int(b.CreateString("x" * 4 * MANY)), 4000))


def many_layers_with_one_name() -> bytes:
    def executables(b: flatbuffers.Builder) -> int:
        inner = flatbuffers.Builder(0)
        layer = table(inner, f0=int(inner.CreateString("x" * 4 * MANY)))
        content = finish(inner, table(inner, f8=same(inner, layer, 4000)), b"\0\0\0\0")
        return same(b, int(b.CreateByteVector(content)), 1)

    return package(executables)


BOMBS = {
    "tflite": (
        subgraphs_of_operators,
        tensors_with_one_shape,
        tensors_with_one_name,
        signatures,
    ),
    "executable": (one_executable_many_times, many_layers_with_one_name),
}
CHILD = """
import resource, signal, sys
resource.setrlimit(resource.RLIMIT_DATA, (768 * 2**20,) * 2)
signal.alarm(30)
from coral_action.errors import ModelError
from tests.fuzz.targets import TARGETS
with open(sys.argv[2], "rb") as file:
    content = file.read()
try:
    TARGETS[sys.argv[1]].read(content)
except ModelError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("target", "make"), [(target, make) for target, made in BOMBS.items() for make in made]
)
def test_bomb(target: str, make: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(make())
    assert path.stat().st_size < 2_000_000
    words = [sys.executable, "-c", CHILD, target, str(path)]
    finished = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=120)
    # Running out of memory is an error of the same class: it has to be for the right reason.
    why = r"damaged .*(its parts are used over and over|is too long)$"
    assert re.match(why, finished.stdout.strip()), finished.stdout + finished.stderr[-2000:]


ODD = '{"schema_version": [1]}'  # found by fuzzing


def test_deep_report_is_refused(tmp_path: Path) -> None:
    from coral_action.errors import UsageError
    from coral_action.report.model import Report

    for text in ("[" * 200_000, '{"a":' * 200_000, json.dumps({"schema_version": 10**4000}), ODD):
        path = tmp_path / "report.json"
        path.write_text(text)
        with pytest.raises(UsageError, match="no report"):
            Report.read(path)


@pytest.mark.parametrize(
    "path",
    [
        ("sizes", "int8_bytes"),
        ("placement", "operators", 0, "inputs", 0),
        ("accuracy", "confusion", "int8", 0, 0),
        ("limits", 0, "limit"),
        ("shard", "lines", "accuracy_drop"),
    ],
)
@pytest.mark.parametrize("number", [2**63, -(10**400)], ids=["64 bits", "400 digits"])
def test_numbers_without_end_are_refused(path: tuple[str | int, ...], number: int) -> None:
    """Whoever computes with them crashes where a float does not hold them."""
    from coral_action.report.model import Report

    def report(value: int) -> dict[str, Any]:
        operator = {"index": 0, "name": "A", "target": "cpu", "inputs": [1]}
        confusion = {"classes": ["a"], "float": [[1]], "int8": [[1]]}
        model: dict[str, Any] = {
            "name": "a",
            "status": "ok",
            "source": {"path": "a"},
            "sizes": {"float_bytes": 1, "int8_bytes": 1},
            "placement": {
                "origin": "predicted",
                "edge_tpu": 0,
                "cpu": 1,
                "subgraphs": 1,
                "operators": [operator],
            },
            "accuracy": {"samples": 1, "metrics": [], "kernels": "xnnpack", "confusion": confusion},
            "limits": [{"name": "int8_size", "limit": 1, "value": 1, "passed": True}],
            "shard": {"index": 0, "count": 1, "lines": {"accuracy_drop": 1}},
        }
        *way, last = path
        place: Any = model
        for key in way:
            place = place[key]
        place[last] = value
        return {"schema_version": 1, "tool": {}, "models": [model]}

    Report.from_data(report(2**62))
    with pytest.raises(ValueError):
        Report.from_data(report(number))
