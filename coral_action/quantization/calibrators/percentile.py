"""percentile: the tails of the distribution are cut off."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from coral_action.quantization.calibrators.histograms import clipped, histograms_of
from coral_action.quantization.calibrators.options import Options, Ranges
from coral_action.quantization.observation import Observed


def percentile(observed: Observed, options: Options) -> Ranges:
    """The range that leaves out 100 - `percentile` per cent of the values on either side.

    McKinstry et al., 2018, arXiv:1809.04191, section 3.2, with each tail cut by itself; the ends
    are outer edges of histogram bins, never beyond what was seen.
    """
    fraction = options.percentile / 100
    result: Ranges = {}
    for tensor, edges, counts in histograms_of(observed):
        result[tensor] = clipped(observed, tensor, *tails(edges, counts, fraction))
    return result


def tails(
    edges: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], fraction: float
) -> tuple[float, float]:
    """The bin edges outside of which at most 1 - fraction of the values lie, on either side.

    Args:
        edges: (n + 1,) bin edges.
        counts: (n,) values in each bin, at least one in all.
        fraction: 0 to 1.
    """
    total = int(counts.sum())
    outside = int(np.floor((1 - fraction) * total))  # so many may be cut on each side
    from_below = np.cumsum(counts)
    from_above = np.cumsum(counts[::-1])
    first = int(np.argmax(from_below > outside))
    last = len(counts) - int(np.argmax(from_above > outside))
    return float(edges[first]), float(edges[last])
