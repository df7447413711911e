"""Watching the float model at work: the range of each activation over the calibration samples."""

from coral_action.quantization.observation.histogram import Histograms
from coral_action.quantization.observation.observed import Observed, merge
from coral_action.quantization.observation.watch import observe
from coral_action.quantization.observation.worker import open_calibration

__all__ = [
    "Histograms",
    "Observed",
    "merge",
    "observe",
    "open_calibration",
]
