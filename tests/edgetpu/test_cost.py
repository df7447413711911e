"""Counted costs against numbers worked out by other means."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from coral_action.edgetpu import from_compiled, predict, read_compiled
from coral_action.edgetpu.cost import BENCHMARKS, CACHE_BYTES, benchmark_milliseconds, estimate
from coral_action.edgetpu.operators.quality import LARGEST_PASSED
from coral_action.tflite import read_model
from edgetpu.graphs import Graph

sys.path.append(str(Path(__file__).resolve().parent.parent / "fakes"))
import edgetpu_package as package


@pytest.fixture(scope="module")
def compiled(corpus: Path) -> Path:
    return corpus / "corpus" / "compiled"


def test_macs_of_mobilenet_v1_are_those_of_its_paper(compiled: Path) -> None:
    """Howard et al. 2017, table 8: 0.25 MobileNet-128 has 14 million multiply-adds."""
    model = read_model(compiled / "mobilenet_v1_0.25_128_quant.tflite")
    cost = estimate(model, predict(model))
    assert 13e6 < cost.macs < 15e6
    assert cost.cpu_macs == 0
    assert cost.input_bytes == 128 * 128 * 3
    assert cost.output_bytes == 1001


def test_memory_comes_from_the_compiled_file(compiled: Path) -> None:
    model = read_model(compiled / "movenet_single_pose_lightning_ptq.tflite")
    path = compiled / "movenet_single_pose_lightning_ptq_edgetpu.tflite"
    executable = read_compiled(path)
    cost = estimate(model, from_compiled(model, read_model(path)), [executable])
    assert cost.exact
    # COMPILED_FORMAT: streamed is what the execution-only program carries, 2368 bytes here.
    assert cost.streamed_bytes == 2368
    assert cost.cached_bytes == 2862656
    interface = executable.subgraphs[0]
    shapes = [layer.shape for layer in interface.inputs]
    assert cost.input_bytes == sum(y * x * z for y, x, z in shapes)
    shapes = [layer.shape for layer in interface.outputs]
    assert cost.output_bytes == sum(y * x * z for y, x, z in shapes)


def test_what_does_not_fit_on_the_chip_is_streamed() -> None:
    graph = Graph()
    data = graph.input("in", (1, 4096))
    weights = graph.tensor("w", (4096, 4096), value=[[1] * 4096] * 4096)
    out = graph.tensor("out", (1, 4096))
    graph.operator("FULLY_CONNECTED", [data, weights, -1], [out])
    model = read_model(graph.output(out).bytes())
    cost = estimate(model, predict(model))
    assert cost.macs == 4096 * 4096
    assert cost.streamed_bytes == 4096 * 4096 - CACHE_BYTES
    assert not cost.exact
    assert [finding.id for finding in cost.findings()] == ["CQ155"]
    # At least the time that the bytes need at USB 3's 5 Gbit/s.
    assert cost.transfer_milliseconds()["usb3"] > cost.streamed_bytes * 8 / 5e9 * 1e3


@pytest.mark.parametrize(("name", "macs", "parameters", "published"), BENCHMARKS)
def test_published_latencies_lie_in_the_stated_range(
    name: str, macs: float, parameters: float, published: float
) -> None:
    streamed = max(0.0, parameters * 1e6 - CACHE_BYTES)
    middle = benchmark_milliseconds(macs * 1e6, streamed)
    assert 0.4 * middle <= published <= 4.2 * middle, name


def test_the_latency_says_its_range(compiled: Path) -> None:
    """Coral's table has 2.4 ms for MobileNet v1 1.0 224; this smaller one can't be above it."""
    model = read_model(compiled / "mobilenet_v1_0.5_160_quant.tflite")
    latency = estimate(model, predict(model)).latency
    assert latency is not None
    assert latency.source == "benchmarks"
    assert 0 < latency.low < latency.milliseconds < 2.4 < latency.high


def test_cycles_of_the_executable_are_used_where_it_has_them() -> None:
    """Compilers before 16.0 fill them in: 458,040 cycles are 0.9 ms at 500 MHz."""
    graph = Graph()
    data, out = graph.input("in", (1, 4)), graph.tensor("out", (1, 4))
    graph.operator("RELU", [data], [out])
    model = read_model(graph.output(out).bytes())
    options = package.custom_options([package.executable(2, b"", 1, [], [], cycles=458_040)], 12)
    operator = replace(model.operators[0], name="CUSTOM:edgetpu-custom-op", custom_options=options)
    compiled = read_compiled(replace(model, operators=(operator,)))
    assert compiled.estimated_cycles == 458_040
    latency = estimate(model, predict(model), [compiled]).latency
    assert latency is not None
    assert latency.source == "executable"
    assert latency.milliseconds == pytest.approx(1.7 + 0.916, abs=0.01)


def test_the_largest_activation_seen_to_compile_is_that_of_the_study(corpus: Path) -> None:
    study = json.loads((corpus / "corpus" / "large_activation_v1.json").read_text())
    passed = max(entry["max_activation_bytes"] for entry in study if entry["compiled"])
    assert passed == LARGEST_PASSED


@pytest.mark.parametrize(("type_", "size"), [("INT8", 1), ("INT32", 4), ("INT64", 8)])
def test_the_largest_activation_is_in_bytes_of_its_type(type_: str, size: int) -> None:
    graph = Graph()
    classes = graph.tensor("classes", (1, 8, 8), type_)
    graph.operator("ARG_MAX", [graph.input("in", (1, 8, 8, 1))], [classes])
    model = read_model(graph.output(classes).bytes())
    assert estimate(model, predict(model)).largest_activation_bytes == 64 * size
