"""Calibrators: from what was observed to the range that each tensor gets; one file each."""

from __future__ import annotations

from coral_action.quantization.calibrators.entropy import entropy
from coral_action.quantization.calibrators.min_max import min_max
from coral_action.quantization.calibrators.moving_average import moving_average
from coral_action.quantization.calibrators.mse import mse
from coral_action.quantization.calibrators.options import Calibrator, Options, Ranges
from coral_action.quantization.calibrators.percentile import percentile

__all__ = ["CALIBRATORS", "NEEDS_HISTOGRAMS", "Calibrator", "Options", "Ranges"]

CALIBRATORS: dict[str, Calibrator] = {
    "min_max": min_max,
    "moving_average": moving_average,
    "percentile": percentile,
    "mse": mse,
    "entropy": entropy,
}

# What `auto` tries too; observation costs a third more for these.
NEEDS_HISTOGRAMS = frozenset({"percentile", "mse", "entropy", "auto"})
