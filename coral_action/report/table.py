"""The report as CSV: a row for each model, plain numbers, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io

from coral_action.report.foreign import message, visible
from coral_action.report.model import ModelReport, Report

_FORMULA = ("=", "+", "-", "@")  # a cell that begins so is a formula to a spreadsheet

Cell = str | int | float | None


def render(report: Report) -> str:
    """The CSV text with a header; text cells can't be formulas."""
    names = dict.fromkeys(
        metric.name
        for model in report.models
        if model.accuracy
        for metric in model.accuracy.metrics
    )
    rows = [_row(model, list(names)) for model in report.models]
    header = list(rows[0]) if rows else ["model"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([_safe(name) for name in header])
    for row in rows:
        writer.writerow([_safe(cell) for cell in row.values()])
    return buffer.getvalue()


def _row(model: ModelReport, metrics: list[str]) -> dict[str, Cell]:
    sizes, placement, accuracy, chip = (
        model.sizes,
        model.placement,
        model.accuracy,
        model.edge_tpu,
    )
    row: dict[str, Cell] = {
        "model": model.name,
        "status": model.status,
        "error": model.error.message if model.error else None,
        "float_bytes": sizes.float_bytes if sizes else None,
        "int8_bytes": sizes.int8_bytes if sizes else None,
        "edgetpu_bytes": sizes.edgetpu_bytes if sizes else None,
        "placement": placement.origin if placement else None,
        "edge_tpu_operators": placement.edge_tpu if placement else None,
        "cpu_operators": placement.cpu if placement else None,
        "subgraphs": placement.subgraphs if placement else None,
        "latency_ms": chip.latency_ms if chip else None,
        "calibrator": model.quantization.calibrator if model.quantization else None,
        "samples": accuracy.samples if accuracy else None,
        "agreement": accuracy.agreement if accuracy else None,
    }
    known = {metric.name: metric for metric in accuracy.metrics} if accuracy else {}
    for name in metrics:
        metric = known.get(name)
        row[f"{name}_float"] = metric.float_value if metric else None
        row[f"{name}_int8"] = metric.int8_value if metric else None
        row[f"{name}_drop"] = metric.drop if metric else None
    row["findings"] = len(model.findings)
    row["limits_exceeded"] = sum(not limit.passed for limit in model.limits)
    row["seconds"] = model.seconds.get("total")
    row["source"] = model.source.path
    row["source_sha256"] = model.source.sha256
    return row


def _safe(cell: Cell) -> Cell:
    if not isinstance(cell, str):
        return cell
    shown = message(cell) if len(cell) > 200 else visible(cell)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown
