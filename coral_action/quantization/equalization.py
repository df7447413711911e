"""Cross-layer equalization: channels of unlike size are evened out between consecutive layers.

Nagel et al., 2019, arXiv:1906.04721, section 4.1: with a positively homogeneous activation between
two layers (ReLU, or none), relu(s x) = s relu(x), output channel i of the first may be divided by
any s_i > 0 if the input channel i of the second is multiplied by it. The float model stays the
same; here to the bit, as every s_i is a power of two.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

Array = npt.NDArray[Any]

# Where the channels of a layer's weights are: CONV_2D [out, h, w, in], DEPTHWISE_CONV_2D
# [1, h, w, out], FULLY_CONNECTED [out, in] (TFLite schema).
_OUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
_IN_AXIS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 1}
_ROUNDS = 20
# Larger factors than 2^8 would only blow up channels that are as good as dead.
_MOST_STEPS = 8


@dataclass(frozen=True)
class _Pair:
    first: Any
    second: Any


def equalize(content: bytes) -> tuple[bytes, int]:
    """The float model with equalized weights, and the number of pairs of layers that changed."""
    graph = Graph(content)
    pairs = list(_pairs(graph))
    changed: set[int] = set()
    for _ in range(_ROUNDS):
        moved = [i for i, pair in enumerate(pairs) if _equalize_pair(graph, pair)]
        changed.update(moved)
        if not moved:
            break
    return (graph.pack() if changed else content), len(changed)


def _pairs(graph: Graph) -> Iterator[_Pair]:
    """Layers that feed one other layer and nothing else, by way of ReLU or no activation."""
    functions = schema().ActivationFunctionType
    constants = [int(i) for op in graph.operators for i in op.inputs]
    for first in graph.operators:
        if graph.kind(first) not in _OUT_AXIS:
            continue
        if first.builtinOptions.fusedActivationFunction not in (functions.NONE, functions.RELU):
            continue
        output = int(first.outputs[0])
        consumers = graph.consumers(output)
        if len(consumers) != 1 or output in graph.outputs:
            continue
        (second,) = consumers
        if graph.kind(second) not in _IN_AXIS or int(second.inputs[0]) != output:
            continue
        parameters = [*map(int, first.inputs[1:]), int(second.inputs[1])]
        alone = all(constants.count(i) == 1 for i in parameters if i >= 0)
        held = all(graph.array(i) is not None for i in parameters if i >= 0)
        if alone and held and _channels_match(graph, first, second):
            yield _Pair(first, second)


def _channels_match(graph: Graph, first: Any, second: Any) -> bool:
    """Whether every output channel of the first is one input channel of the second.

    Not so with a depth multiplier, with groups, or with a flattening in between.
    """
    if not (graph.is_float(int(first.inputs[1])) and graph.is_float(int(second.inputs[1]))):
        return False
    channels = graph.shape(int(first.inputs[1]))[_OUT_AXIS[graph.kind(first)]]
    if graph.kind(second) == "DEPTHWISE_CONV_2D" and second.builtinOptions.depthMultiplier != 1:
        return False
    return channels == graph.shape(int(second.inputs[1]))[_IN_AXIS[graph.kind(second)]]


def _equalize_pair(graph: Graph, pair: _Pair) -> bool:
    """Scale one pair; False if it was even already."""
    weights1 = int(pair.first.inputs[1])
    weights2 = int(pair.second.inputs[1])
    out_axis = _OUT_AXIS[graph.kind(pair.first)]
    in_axis = _IN_AXIS[graph.kind(pair.second)]
    range1 = _largest(graph.constant(weights1), out_axis)
    range2 = _largest(graph.constant(weights2), in_axis)
    # s = sqrt(range1 range2) / range2 (equation 11), as a power of two.
    alive = (range1 > 0) & (range2 > 0)
    ratio = np.where(alive, range1, 1) / np.where(alive, range2, 1)
    steps = np.clip(np.rint(np.log2(ratio) / 2), -_MOST_STEPS, _MOST_STEPS).astype(int)
    if not steps.any():
        return False
    scale = np.ldexp(np.float32(1), steps).astype(np.float32)
    _multiply(graph, weights1, 1 / scale, out_axis)
    if len(pair.first.inputs) > 2 and int(pair.first.inputs[2]) >= 0:
        _multiply(graph, int(pair.first.inputs[2]), 1 / scale, 0)
    _multiply(graph, weights2, scale, in_axis)
    return True


def _largest(weights: Array, axis: int) -> npt.NDArray[np.float64]:
    others = tuple(i for i in range(weights.ndim) if i != axis)
    return np.asarray(np.abs(weights).max(axis=others), dtype=np.float64)


def _multiply(graph: Graph, tensor: int, factors: Array, axis: int) -> None:
    value = graph.constant(tensor)
    shape = [1] * value.ndim
    shape[axis] = -1
    graph.set_array(tensor, (value * factors.reshape(shape)).astype(np.float32))
