"""The outputs of the action, from a report and from what was published."""

from __future__ import annotations

import json

from coral_action.report.model import Report


def outputs_of(
    report: Report, folder: str, *, comment_url: str = "", release_url: str = ""
) -> dict[str, str]:
    """The outputs of the action, all text; `folder` is where report.json lies."""
    first = [m.accuracy.metrics[0] for m in report.models if m.accuracy and m.accuracy.metrics]
    drops = [metric.drop for metric in first if metric.drop is not None]
    cpu = [m.placement.cpu for m in report.models if m.placement]
    return {
        "report": f"{folder}/report.json",
        "markdown": f"{folder}/report.md",
        "html": f"{folder}/report.html",
        "passed": json.dumps(report.passed),
        "models": json.dumps([{"name": m.name, "status": m.status} for m in report.models]),
        "files": "\n".join(made_files(report)),
        "accuracy-drop": f"{max(drops):.4f}" if drops else "",
        "cpu-operators": str(sum(cpu)) if cpu else "",
        "comment-url": comment_url,
        "release-url": release_url,
    }


def made_files(report: Report) -> list[str]:
    """Paths of the .tflite files that were made."""
    return [
        path for m in report.models for path in (m.files.int8, m.files.edgetpu) if path is not None
    ]
