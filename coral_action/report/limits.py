"""The limits of coral.yml, held against what was measured."""

from __future__ import annotations

from coral_action.config.limits_schema import LimitsConfig
from coral_action.report.model import AccuracyData, LimitData, PlacementData, SizeData


def check_limits(
    limits: LimitsConfig,
    *,
    sizes: SizeData | None,
    placement: PlacementData | None,
    accuracy: AccuracyData | None,
) -> list[LimitData]:
    """Every limit that is set and whose value is known, in the order of the schema."""
    values: dict[str, float | None] = {
        "accuracy_drop": accuracy.metrics[0].drop if accuracy else None,
        "int8_size": sizes.int8_bytes if sizes else None,
        "cpu_operators": placement.cpu if placement else None,
    }
    results = []
    for name, value in values.items():
        limit = getattr(limits, name)
        if limit is not None and value is not None:
            results.append(LimitData(name=name, limit=limit, value=value, passed=value <= limit))
    return results
