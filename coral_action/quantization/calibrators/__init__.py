"""Calibrators: from what was observed to the range that each tensor gets; one file each."""

from __future__ import annotations

from collections.abc import Callable

from coral_action.quantization.calibrators.min_max import min_max
from coral_action.quantization.observe import Observed

Ranges = dict[int, tuple[float, float]]

CALIBRATORS: dict[str, Callable[[Observed], Ranges]] = {"min_max": min_max}
