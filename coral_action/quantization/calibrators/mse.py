"""mse: the range with the least expected error of a quantized value."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.quantization.calibrators.histograms import clipped, histograms_of
from coral_action.quantization.calibrators.options import Options, Ranges
from coral_action.quantization.observation import Observed

_STEPS = 255
_CANDIDATES = 96


def mse(observed: Observed, options: Options) -> Ranges:
    """The range that minimizes rounding plus clipping error, over a grid of both ends.

    Banner et al., 2019, arXiv:1810.05723, section 3: inside the range a step s costs s^2 / 12,
    outside the squared distance to the range counts. Their distributions are replaced by the
    histogram; values of the bin at zero, which is represented exactly, cost nothing.
    """
    result: Ranges = {}
    for tensor, edges, counts in histograms_of(observed):
        low, high = clipped(observed, tensor, float(edges[0]), float(edges[-1]))
        result[tensor] = best_range(edges, counts, low, high)
    return result


def best_range(
    edges: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], low: float, high: float
) -> tuple[float, float]:
    """The best range within [low, high], which holds zero and all values.

    Args:
        edges: (n + 1,) bin edges, one of them 0.
        counts: (n,) values in each bin.
        low: at or below 0.
        high: at or above 0.
    """
    centres = (edges[:-1] + edges[1:]) / 2
    zero = int(np.searchsorted(edges, 0.0))
    rounded = counts.sum() - counts[zero]
    lows, highs = low * _shrinkings(), high * _shrinkings()
    cut_low = _clipping(-centres[::-1], counts[::-1], -lows)
    cut_high = _clipping(centres, counts, highs)
    steps = (highs[np.newaxis, :] - lows[:, np.newaxis]) / _STEPS
    error = rounded * steps**2 / 12 + cut_low[:, np.newaxis] + cut_high[np.newaxis, :]
    row, column = np.unravel_index(int(np.argmin(error)), error.shape)
    return float(lows[row]), float(highs[column])


def _shrinkings() -> npt.NDArray[np.float64]:
    """Factors from 1 down to 2^-10: fine near 1, then by equal ratios."""
    near = np.linspace(1, 0.5, _CANDIDATES // 2, endpoint=False)
    return np.concatenate([near, np.geomspace(0.5, 2**-10, _CANDIDATES // 2)])


def _clipping(
    centres: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int64],
    ends: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    """Sum of counts * (centre - end)^2 over the centres beyond each end, by suffix sums."""
    sums = [
        np.concatenate([np.cumsum((counts * centres**power)[::-1])[::-1], [0.0]])
        for power in range(3)
    ]
    first = np.searchsorted(centres, ends, side="right")
    count, total, squares = (values[first] for values in sums)
    return np.asarray(np.maximum(squares - 2 * ends * total + ends**2 * count, 0.0))
