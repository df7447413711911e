"""Bias correction: the mean error of each layer is taken out of its bias, layer after layer.

Rounding a layer's weights shifts the mean of its outputs, and the shifts add up on the way through
the model. Nagel et al., 2019, arXiv:1906.04721, section 4.2 and appendix D: measure the shift on
data and subtract it. Each layer is measured with all layers before it already corrected: to correct
all at once from one measurement makes things worse, as it corrects the same shift many times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.data import Sample
from coral_action.inference import quantize_input
from coral_action.quantization.float_reference import FloatReference, dequantized
from coral_action.quantization.graph import Graph
from coral_action.quantization.segments import extract
from coral_action.tflite import Operator, TfliteModel, read_model

Array = npt.NDArray[Any]
_BIAS_INPUT = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


@dataclass(frozen=True)
class _Layer:
    operator: int
    output: int
    bias: int
    steps: npt.NDArray[np.float64]  # real value of one step of the bias, one a channel


def correct_biases(int8: bytes, real: bytes, samples: Sequence[Sample]) -> bytes:
    """The int8 model with corrected biases, the only thing in it that changes.

    Args:
        int8: the int8 .tflite.
        real: the float .tflite that it was made from.
        samples: some of the calibration samples, held in memory with their inner values.
    """
    model = read_model(int8)
    graph = Graph(int8)
    reference = FloatReference(real)
    layers = list(_layers(model, reference))
    if not layers or not samples:
        return int8
    means = _float_means(model, reference, layers, samples)
    states = [_inputs(model, sample) for sample in samples]
    done = 0
    for layer, expected in zip(layers, means, strict=True):
        _advance(graph, states, done, layer.operator)
        extract(graph, layer.operator, layer.operator + 1).run(states)
        seen = _mean(
            [_by_channel(dequantized(model, layer.output, s[layer.output])) for s in states]
        )
        _shift(graph, layer, expected - seen)
        _advance(graph, states, layer.operator, layer.operator + 1)
        done = layer.operator + 1
    return graph.pack()


def _layers(model: TfliteModel, reference: FloatReference) -> list[_Layer]:
    """Layers with a constant bias of their own whose float values are known, in running order."""
    uses = [i for op in model.operators for i in op.inputs]
    found = []
    for operator in model.operators:
        bias = _bias_of(operator)
        if bias is None or uses.count(bias) > 1 or model.tensors[bias].type != "INT32":
            continue
        output = model.tensors[operator.outputs[0]]
        if model.tensors[bias].is_constant and reference.twin(output) is not None:
            steps = np.asarray(model.tensors[bias].scales, dtype=np.float64)
            found.append(_Layer(operator.index, output.index, bias, steps))
    return found


def _bias_of(operator: Operator) -> int | None:
    place = _BIAS_INPUT.get(operator.name)
    if place is None or len(operator.inputs) <= place or operator.inputs[place] < 0:
        return None
    return operator.inputs[place]


def _float_means(
    model: TfliteModel,
    reference: FloatReference,
    layers: Sequence[_Layer],
    samples: Sequence[Sample],
) -> list[npt.NDArray[np.float64]]:
    """The mean of each channel of each layer's float output over the samples."""
    twins = [reference.twin(model.tensors[layer.output]) for layer in layers]
    rows = [
        [_by_channel(value) for value in values]
        for values in reference.values(samples, [twin for twin in twins if twin is not None])
    ]
    return [_mean(list(column)) for column in zip(*rows, strict=True)]


def _inputs(model: TfliteModel, sample: Sample) -> dict[int, Array]:
    """A sample as the int8 model stores it, by tensor index."""
    return {
        index: quantize_input(sample.inputs[name], model.tensors[index])
        for name, index in model.input_names().items()
    }


def _advance(graph: Graph, states: list[dict[int, Array]], start: int, stop: int) -> None:
    """Run some operators and forget what no later one reads."""
    if start < stop:
        extract(graph, start, stop).run(states)
    needed = {int(i) for op in graph.operators[stop:] for i in op.inputs}
    for state in states:
        for index in [i for i in state if i not in needed]:
            del state[index]


def _by_channel(value: Array) -> npt.NDArray[np.float64]:
    channels = value.shape[-1] if value.ndim else 1
    return np.asarray(np.mean(value.reshape(-1, channels), axis=0, dtype=np.float64))


def _mean(rows: Sequence[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return np.asarray(np.mean(np.stack(rows), axis=0))


def _shift(graph: Graph, layer: _Layer, error: npt.NDArray[np.float64]) -> None:
    """Add a real-valued error to a layer's int32 bias."""
    bias = graph.constant(layer.bias)
    limits = np.iinfo(np.int32)
    steps = np.rint(error / layer.steps)
    moved = np.clip(bias.astype(np.int64) + steps, limits.min, limits.max)
    graph.set_array(layer.bias, moved.astype(np.int32))
