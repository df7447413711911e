"""Which layer hurts: SQNR between the float and the int8 value of every layer's output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from coral_action.data import Sample
from coral_action.inference import Runner
from coral_action.quantization.float_reference import FloatReference, dequantized
from coral_action.quantization.layer_histogram import (
    LayerHistogram,
    activation_histograms,
    weight_histogram,
    weights_of,
)
from coral_action.quantization.verification import label
from coral_action.tflite import TfliteModel, read_model

MAX_SAMPLES = 32


@dataclass(frozen=True)
class LayerError:
    """One layer of the int8 model.

    `sqnr` is 10 log10(sum x^2 / sum (x - y)^2) in dB over all samples, x float and y int8; errors
    of the layers before it are in it. `activations` and `weights` are there where they were asked
    for (`histograms`) and the layer has some.
    """

    operator: str
    tensor: str
    sqnr: float
    activations: LayerHistogram | None = None
    weights: LayerHistogram | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> LayerError:
        """The inverse of `to_json`."""
        histograms = {
            key: LayerHistogram.from_json(data[key]) for key in ("activations", "weights")
        }
        return cls(**{**data, **histograms})


def layer_errors(
    int8: bytes, real: bytes, samples: Sequence[Sample], *, histograms: int = 0
) -> list[LayerError]:
    """The error of each layer with a float twin of the same name, the worst first.

    Args:
        int8: the int8 .tflite.
        real: the float .tflite that it was made from.
        samples: at most the first 32 are used.
        histograms: so many layers, the worst ones, get histograms of activations and weights.
    """
    model = read_model(int8)
    reference = FloatReference(real)
    layers = []
    for operator in model.operators:
        for index in operator.outputs:
            twin = reference.twin(model.tensors[index]) if index >= 0 else None
            if twin is not None and model.tensors[index].scales:
                layers.append((operator, index, twin))
    runner = Runner(
        int8, model.input_names(), model.output_names(), keep_all_tensors=True, kernels="builtin"
    )
    used = samples[:MAX_SAMPLES]
    signal = np.zeros(len(layers))
    noise = np.zeros(len(layers))
    expected = reference.values(used, [twin for _, _, twin in layers])
    for sample, values in zip(used, expected, strict=True):
        runner.run(sample.inputs)
        for row, ((_, index, _), value) in enumerate(zip(layers, values, strict=True)):
            difference = value - dequantized(model, index, runner.value(index))
            signal[row] += np.sum(np.square(value), dtype=np.float64)
            noise[row] += np.sum(np.square(difference), dtype=np.float64)
    errors = [
        LayerError(label(operator), model.tensors[index].name, _decibels(signal[row], noise[row]))
        for row, (operator, index, _) in enumerate(layers)
        if signal[row] > 0
    ]
    errors.sort(key=lambda error: error.sqnr)
    shown = _with_histograms(errors[:histograms], model, reference, used)
    return [*shown, *errors[histograms:]]


def _with_histograms(
    errors: Sequence[LayerError],
    model: TfliteModel,
    reference: FloatReference,
    samples: Sequence[Sample],
) -> list[LayerError]:
    if not errors:
        return []
    pairs_by_name = {
        tensor.name: (twin, tensor)
        for tensor in model.tensors
        if tensor.scales and (twin := reference.twin(tensor)) is not None
    }
    pairs = [pairs_by_name[error.tensor] for error in errors]
    activations = activation_histograms(reference, samples, pairs)
    found = []
    for error, values, (twin, tensor) in zip(errors, activations, pairs, strict=True):
        weights = weight_histogram(
            weights_of(reference.model, twin, "FLOAT32"), weights_of(model, tensor.index, "INT8")
        )
        found.append(replace(error, activations=values, weights=weights))
    return found


def _decibels(signal: float, noise: float) -> float:
    """Bounded at 99 dB, where there is no error to speak of."""
    return float(min(10 * np.log10(signal / noise), 99.0)) if noise > 0 else 99.0
