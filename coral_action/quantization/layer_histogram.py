"""How the float values of a layer lie, and which of them int8 can hold; for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.data import Sample
from coral_action.quantization.float_reference import FloatReference
from coral_action.tflite import Tensor, TfliteModel

Array = npt.NDArray[Any]

BINS = 64
_SAMPLES = 8
_VALUES = 1 << 16  # that are kept of a layer in one sample: its tails show, and memory has a bound


@dataclass(frozen=True)
class LayerHistogram:
    """Counts of float values in bins of equal width.

    Attributes:
        low: lower edge of the first bin, the smallest value that was seen.
        high: upper edge of the last bin.
        counts: by bin, at most 64 of them; of large tensors a part of the values is counted.
        int8_low: the smallest value that the int8 tensor can hold.
        int8_high: the largest one; of the widest channel, where each has a scale of its own.
    """

    low: float
    high: float
    counts: tuple[int, ...]
    int8_low: float
    int8_high: float

    @classmethod
    def from_json(cls, data: dict[str, Any] | None) -> LayerHistogram | None:
        """The inverse of `dataclasses.asdict`; None stays None."""
        return None if data is None else cls(**{**data, "counts": tuple(data["counts"])})


def activation_histograms(
    reference: FloatReference, samples: Sequence[Sample], layers: Sequence[tuple[int, Tensor]]
) -> list[LayerHistogram | None]:
    """One for each layer, over the first 8 samples.

    Args:
        reference: the float model.
        samples: what to run.
        layers: index of the float tensor, and its int8 twin.
    """
    kept: list[list[Array]] = [[] for _ in layers]
    ends: list[list[float]] = [[] for _ in layers]
    for values in reference.values(samples[:_SAMPLES], [twin for twin, _ in layers]):
        for row, value in enumerate(values):
            flat = value.reshape(-1)
            ends[row] += [float(flat.min()), float(flat.max())]
            # An odd stride meets all channels: their number divides by two more often than not.
            kept[row].append(flat[:: -(-flat.size // _VALUES) | 1].copy())
    return [
        _histogram(np.concatenate(parts), (min(edges), max(edges)), tensor) if parts else None
        for parts, edges, (_, tensor) in zip(kept, ends, layers, strict=True)
    ]


def weight_histogram(weights: Tensor | None, int8: Tensor | None) -> LayerHistogram | None:
    """Of a float constant; None where the int8 model has no weights of that shape."""
    if weights is None or int8 is None or int8.shape != weights.shape:
        return None
    values = weights.array().reshape(-1)
    return _histogram(values, (float(values.min()), float(values.max())), int8)


def weights_of(model: TfliteModel, tensor: int, kind: str) -> Tensor | None:
    """The constant with two axes or more that the operator making a tensor reads."""
    for operator in model.operators:
        if tensor in operator.outputs:
            held = [model.tensors[i] for i in operator.inputs if i >= 0]
            found = [t for t in held if t.is_constant and t.type == kind and len(t.shape) > 1]
            return max(found, key=lambda t: np.prod(t.shape), default=None)
    return None


def _histogram(values: Array, ends: tuple[float, float], int8: Tensor) -> LayerHistogram | None:
    if not int8.scales or not np.isfinite(ends).all():
        return None
    counts, edges = np.histogram(values.astype(np.float64), BINS, ends)
    limits = np.iinfo(int8.dtype)
    lows, highs = (
        [(limit - zero) * scale for scale, zero in zip(int8.scales, int8.zero_points, strict=True)]
        for limit in (limits.min, limits.max)
    )
    return LayerHistogram(
        low=float(edges[0]),
        high=float(edges[-1]),
        counts=tuple(int(count) for count in counts),
        int8_low=float(min(lows)),
        int8_high=float(max(highs)),
    )
