"""What can be set of a calibrator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coral_action.quantization.observation import Observed

Ranges = dict[int, tuple[float, float]]


@dataclass(frozen=True)
class Options:
    """The keys of `calibration` that calibrators read.

    Attributes:
        percentile: per cent, 90 to 100.
        momentum: weight of the past, 0 to 1.
    """

    percentile: float = 99.99
    momentum: float = 0.99


Calibrator = Callable[[Observed, Options], Ranges]
