"""The limits of coral.yml, held against what was measured."""

from __future__ import annotations

from coral_action.config.limits_schema import DropLimit, LimitsConfig
from coral_action.report.model import AccuracyData, LimitData, PlacementData, SizeData


def check_limits(
    limits: LimitsConfig,
    *,
    sizes: SizeData | None,
    placement: PlacementData | None,
    accuracy: AccuracyData | None,
) -> list[LimitData]:
    """Every limit that is set, of the stages that there were, in the order of the schema."""
    counts: list[tuple[str, int | None, int | None]] = [
        ("int8_size", limits.int8_size, sizes.int8_bytes if sizes else None),
        ("cpu_operators", limits.cpu_operators, placement.cpu if placement else None),
    ]
    return [
        *_drop(limits.accuracy_drop, accuracy),
        *(
            LimitData(name=name, limit=limit, value=value, passed=value <= limit)
            for name, limit, value in counts
            if limit is not None and value is not None
        ),
    ]


def _drop(limit: DropLimit | None, accuracy: AccuracyData | None) -> list[LimitData]:
    """The first metric's loss, or the lower end of its interval at the limit's own level."""
    if limit is None or accuracy is None:
        return []
    metric = accuracy.metrics[0]
    if metric.drop is None:  # without a float model; what can't be checked does not pass
        return [LimitData(name="accuracy_drop", limit=limit.max, passed=False)]
    value: float = metric.drop
    confidence = None
    if limit.confidence is not None and metric.interval is not None:
        value, confidence = metric.interval[0], metric.confidence
    passed = not limit.exceeded_by(value)
    return [
        LimitData(
            name="accuracy_drop", limit=limit.max, value=value, passed=passed, confidence=confidence
        )
    ]
