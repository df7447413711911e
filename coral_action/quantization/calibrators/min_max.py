"""min_max: the range is what was seen."""

from __future__ import annotations

from coral_action.quantization.calibrators.options import Options, Ranges
from coral_action.quantization.observation import Observed


def min_max(observed: Observed, options: Options) -> Ranges:
    """The smallest and the largest value of each tensor over all samples.

    Nothing is clipped, and one outlier costs resolution everywhere. This is what TensorFlow's own
    converter does (Jacob et al., 2018, arXiv:1712.05877, section 3.1, without its moving average).
    """
    return dict(zip(observed.tensors, observed.extremes(), strict=True))
