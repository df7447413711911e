"""Figures as people read them; shared by all renderers."""

from __future__ import annotations

from coral_action.report.model import LimitData, MetricData, ModelReport, PlacementData

STATUS_WORDS = {"ok": "passed", "limit_exceeded": "limit exceeded", "failed": "failed"}
LIMIT_NAMES = {
    "accuracy_drop": "accuracy drop",
    "int8_size": "int8 size",
    "cpu_operators": "operators on the CPU",
}


def size(count: int | None) -> str:
    """A number of bytes: 812 B, 41.6 KiB, 3.4 MiB."""
    if count is None:
        return ""
    if count < 1024:
        return f"{count} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1024 * 1024):.2f} MiB"


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 as a percentage."""
    return f"{fraction * 100:.2f} %"


def from_to(metric: MetricData) -> str:
    """A metric with float and with int8: 99.25 → 98.75 %."""
    return f"{metric.float_value * 100:.2f} → {metric.int8_value * 100:.2f} %"


def change(metric: MetricData) -> str:
    """What int8 changed, in percentage points: -0.25 is a loss."""
    return f"{0.0 - metric.drop:+.2f}" if abs(metric.drop) >= 0.005 else "±0.00"


def mapped(placement: PlacementData) -> str:
    """Operators on the Edge TPU of all, saying so where it is a prediction."""
    text = f"{placement.edge_tpu} of {placement.edge_tpu + placement.cpu}"
    return text if placement.origin == "compiler" else f"{text}, predicted"


def limit_value(limit: LimitData, value: float) -> str:
    """A limit's value with its unit."""
    if limit.name == "int8_size":
        return size(int(value))
    return f"{value:.2f} points" if limit.name == "accuracy_drop" else f"{value:g}"


def verdict(models: list[ModelReport]) -> str:
    """The report in one line."""
    failed = sum(model.status == "failed" for model in models)
    exceeded = sum(model.status == "limit_exceeded" for model in models)
    count = f"{len(models)} model" + ("s" if len(models) != 1 else "")
    if failed:
        return f"{failed} of {count} failed"
    if exceeded:
        return f"{exceeded} of {count} exceeded a limit"
    return f"{count} passed"
