"""What the calibrators that look at whole distributions share."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from coral_action.quantization.observation import Observed


def histograms_of(
    observed: Observed,
) -> Iterator[tuple[int, npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
    """(tensor index, bin edges, counts) of every watched tensor that has values.

    Raises:
        ValueError: if the observation kept no histograms.
    """
    if observed.histograms is None:
        raise ValueError("this calibrator needs histograms, and none were kept")
    for row, tensor in enumerate(observed.tensors):
        edges, counts = observed.histograms.of(row)
        if counts.any():
            yield tensor, edges, counts


def clipped(observed: Observed, tensor: int, low: float, high: float) -> tuple[float, float]:
    """A range cut down to what was seen of a tensor, and holding zero as every range must."""
    column = observed.tensors.index(tensor)
    least, largest = float(observed.low[:, column].min()), float(observed.high[:, column].max())
    return min(max(low, least), 0.0), max(min(high, largest), 0.0)
