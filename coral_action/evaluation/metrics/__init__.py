"""Metrics: a row of numbers for each sample, and one function each over the rows."""

from __future__ import annotations

from coral_action.evaluation.metrics import (
    classes,
    detection,
    regression,
    segmentation,
    similarity,
    single_score,
)
from coral_action.evaluation.metrics.kind import MetricKind, Settings, Task, Truth

__all__ = ["METRICS", "MetricKind", "Settings", "Task", "Truth", "default_metrics"]

METRICS: dict[str, MetricKind] = {
    kind.name: kind
    for module in (classes, single_score, regression, segmentation, detection, similarity)
    for kind in module.KINDS
}


def default_metrics(task: Task, values: int) -> list[str]:
    """The metrics that fit the labels, the one for `accuracy_drop` first.

    Args:
        task: what the labels are.
        values: how many values the output has.
    """
    if task == "classes":
        return ["top1", "top5"] if values > 5 else ["top1"]
    names: dict[Task, list[str]] = {
        "score": ["binary_accuracy", "roc_auc"],
        "values": ["mae"],
        "mask": ["mean_iou"],
        "boxes": ["map"],
        "any": ["cosine"],
    }
    return names[task]
