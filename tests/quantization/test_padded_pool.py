"""Padded max pools of every geometry: rewritten or left, the numbers are the same."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from zoo_support import Quantize, Zoo, quantized, zoo  # noqa: F401 - fixtures too

from coral_action.inference import Runner
from coral_action.quantization.graph import Graph
from coral_action.quantization.rewrites import rewrite
from coral_action.tflite import read_model

LOWEST = np.finfo(np.float32).min


def pooled(x: np.ndarray, pads: list[int], filter_: list[int], stride: list[int]) -> np.ndarray:
    """Maxima of each window, by NumPy; `pads` are top, bottom, left and right."""
    around = ((0, 0), tuple(pads[:2]), tuple(pads[2:]), (0, 0))
    padded = np.pad(x, around, constant_values=LOWEST)
    windows = np.lib.stride_tricks.sliding_window_view(padded, filter_, axis=(1, 2))
    return windows[:, :: stride[0], :: stride[1]].max(axis=(-2, -1))


def pool_of(graph: Graph) -> object:
    return next(op for op in graph.operators if graph.kind(op) == "MAX_POOL_2D")


def with_geometry(
    content: bytes,
    shape: tuple[int, ...],
    pads: list[int],
    filter_: list[int],
    stride: list[int],
    *,
    relu: bool,
) -> bytes:
    """The padded pool of `pool_signed` alone, or behind a RELU, for inputs of another shape."""
    graph = Graph(content)
    pool = pool_of(graph)
    pad, (source,) = graph.producer(int(pool.inputs[0])), graph.inputs
    amounts = graph.add_constant("pads", np.array([[0, 0], pads[:2], pads[2:], [0, 0]], np.int32))
    positive = graph.add_tensor("relu", shape)
    pad.inputs = [positive if relu else source, amounts, int(pad.inputs[2])]
    first = [graph.make_operator("RELU", [source], [positive])] if relu else []
    graph.operators = [*first, pad, pool]
    options = pool.builtinOptions
    options.filterHeight, options.filterWidth = filter_
    options.strideH, options.strideW = stride
    sizes = [pads[0] + shape[1] + pads[1], pads[2] + shape[2] + pads[3]]
    ends = [(n - f) // s + 1 for n, f, s in zip(sizes, filter_, stride, strict=True)]
    for tensor, pixels in ((int(pad.outputs[0]), sizes), (int(pool.outputs[0]), ends)):
        graph.tensors[tensor].shape = np.array([1, *pixels, shape[3]], np.int32)
    graph.tensors[source].shape = np.array(shape, np.int32)
    return graph.pack()


def run(content: bytes, x: np.ndarray) -> np.ndarray:
    model = read_model(content)
    runner = Runner(content, model.input_names(), model.output_names(), kernels="builtin")
    (result,) = runner.run(dict.fromkeys(model.input_names(), x)).values()
    return result


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("size", [5, 6, 7, 8])
def test_every_geometry_is_exact(zoo: Zoo, size: int, relu: bool) -> None:
    rewritten, left = set(), set()
    # Without a ReLU most windows hold negative values only: zeros would show.
    x = np.random.default_rng(size).normal(size=(1, size, 6, 3)).astype(np.float32) - 1
    for filter_, stride, before, after in product((2, 3, 5), (1, 2, 3), (0, 1, 2), (0, 1, 2)):
        if max(before, after) > filter_ // 2:
            continue  # a framework refuses windows that lie in the padding
        geometry = [before, after, 1, 1], [filter_, 3], [stride, 2]
        edited = with_geometry(zoo.content("pool_signed"), x.shape, *geometry, relu=relu)
        result = rewrite(edited)
        right = pooled(np.maximum(x, 0) if relu else x, *geometry)
        np.testing.assert_array_equal(run(result.content, x), right)
        (rewritten if result.changes else left).add((filter_, stride, before, after))
    # What frameworks write for odd filters: as much padding on each side as the filter reaches out.
    assert {(f, s, f // 2, f // 2) for f in (3, 5) for s in (1, 2, 3)} <= rewritten
    assert bool(left) != relu


def test_padding_that_has_another_reader_stays_for_it(zoo: Zoo) -> None:
    graph = Graph(zoo.content("pool_signed"))
    padded = int(pool_of(graph).inputs[0])
    graph.outputs = [*graph.outputs, padded]
    graph.model.signatureDefs = []
    kinds = [op.name for op in read_model(rewrite(graph.pack()).content).operators]
    assert kinds == ["CONV_2D", "PADV2", "MAX_POOL_2D", "MAX_POOL_2D"]


@pytest.mark.parametrize("name", ["pool_relu", "pool_signed", "pool_odd"])
def test_int8_keeps_its_precision(quantized: Quantize, zoo: Zoo, name: str) -> None:
    result = quantized(name, calibration={"method": "min_max"})
    assert result.rewrites
    ends = [result.model.tensors[index] for index in result.model.outputs]
    # The range of the pixels, some 10 wide, in 255 steps, and not that of -3.4e38.
    assert all(0 < tensor.scales[0] < 0.1 for tensor in ends)
