"""moving_average: the range of the usual sample, not of the worst."""

from __future__ import annotations

import numpy as np

from coral_action.quantization.calibrators.options import Options, Ranges
from coral_action.quantization.observation import Observed


def moving_average(observed: Observed, options: Options) -> Ranges:
    """Exponential moving averages of each sample's minimum and maximum, in the order of samples.

    Jacob et al., 2018, arXiv:1712.05877, section 3.1: a <- m a + (1 - m) x, with m close to 1. It
    starts from 0 and is divided by 1 - m^n, so that few samples weigh alike and none twice
    (Kingma and Ba, 2015, arXiv:1412.6980, section 3).
    """
    momentum = options.momentum
    count = observed.samples
    # Unrolled: the sample k from the end weighs (1 - m) m^k / (1 - m^n).
    weights = momentum ** np.arange(count - 1, -1, -1, dtype=np.float64)
    weights /= weights.sum()
    low = (weights @ observed.low.astype(np.float64)).tolist()
    high = (weights @ observed.high.astype(np.float64)).tolist()
    return dict(zip(observed.tensors, zip(low, high, strict=True), strict=True))
