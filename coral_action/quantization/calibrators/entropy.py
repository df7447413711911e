"""entropy: the range that loses the least information."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.quantization.calibrators.histograms import clipped, histograms_of
from coral_action.quantization.calibrators.options import Options, Ranges
from coral_action.quantization.observation import Observed

_LEVELS = 128
_BINS = 2048
_CANDIDATES = 128


def entropy(observed: Observed, options: Options) -> Ranges:
    """The range [-t, t], cut down to what was seen, that loses the least information.

    That is the Kullback-Leibler divergence between the distribution clipped at t and its 128-level
    quantization.

    Migacz, "8-bit inference with TensorRT", GTC 2017, slides 24-38: on the histogram of absolute
    values, values beyond t counting at t. The bin at zero is left out: zero is represented exactly,
    and after a ReLU its many zeros would drown all else.
    """
    result: Ranges = {}
    for tensor, edges, counts in histograms_of(observed):
        end = threshold(*absolute(edges, counts))
        result[tensor] = clipped(observed, tensor, -end, end)
    return result


def absolute(
    edges: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> tuple[float, npt.NDArray[np.int64]]:
    """Bin width and histogram of absolute values: at most 2048 bins from 0 to the largest."""
    middle = len(counts) // 2
    folded = counts[middle:] + counts[:middle][::-1]
    used = int(np.flatnonzero(folded)[-1]) + 1
    together = -(-used // _BINS)
    padded = np.zeros(-(-used // together) * together, dtype=np.int64)
    padded[:used] = folded[:used]
    return float(edges[1] - edges[0]) * together, padded.reshape(-1, together).sum(axis=1)


def threshold(width: float, counts: npt.NDArray[np.int64]) -> float:
    """The threshold t with the least divergence.

    Args:
        width: of a bin.
        counts: (n,) absolute values in each bin.
    """
    counts = counts.copy()
    counts[0] = 0
    if len(counts) <= _LEVELS or not counts.any():
        return width * len(counts)
    candidates = np.unique(np.linspace(_LEVELS, len(counts), _CANDIDATES).astype(int))
    divergences = [_divergence(counts, int(bins)) for bins in candidates]
    return width * float(candidates[int(np.argmin(divergences))])


def _divergence(counts: npt.NDArray[np.int64], bins: int) -> float:
    """KL divergence, in nats, of quantizing the first `bins` bins to 128 levels."""
    kept = counts[:bins].astype(np.float64)
    clipped_counts = kept.copy()
    clipped_counts[-1] += counts[bins:].sum()
    level = np.arange(bins) * _LEVELS // bins
    mass = np.bincount(level, weights=kept, minlength=_LEVELS)
    filled = np.bincount(level, weights=kept > 0, minlength=_LEVELS)
    spread = np.where(kept > 0, mass[level] / np.maximum(filled[level], 1), 0.0)
    if not spread.any():
        return float("inf")
    p = clipped_counts / clipped_counts.sum()
    q = spread / spread.sum()
    # Only the last bin can hold clipped values where nothing was kept; a floor keeps it finite.
    nonzero = p > 0
    return float(np.sum(p[nonzero] * np.log(p[nonzero] / np.maximum(q[nonzero], 1e-12))))
