"""The report as a table in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coral_action.report import text
from coral_action.report.model import ModelReport, Report

_STYLES = {"ok": "green", "limit_exceeded": "yellow", "failed": "red"}


def print_report(report: Report, console: Console) -> None:
    """Verdict, one row a model, then what exceeded a limit or was noticed."""
    table = Table(title=f"coral-quantize: {text.verdict(report.models)}", title_justify="left")
    table.add_column("Model", overflow="fold")
    for heading in ("Result", "Size", "On Edge TPU", "Accuracy"):
        table.add_column(heading)
    for model in report.models:
        table.add_row(*_row(model))
    console.print(table)
    for model in report.models:
        for limit in model.limits:
            if not limit.passed:
                line = (
                    f"{model.name}: {text.LIMIT_NAMES[limit.name]} is "
                    f"{text.limit_value(limit, limit.value)}, the limit is "
                    f"{text.limit_value(limit, limit.limit)}"
                )
                console.print(Text(line, style="yellow"))
        for finding in model.findings:
            console.print(Text(f"{model.name}: {finding.id}: {finding.message}"))


def _row(model: ModelReport) -> list[Text]:
    sizes, accuracy = model.sizes, ""
    if model.accuracy:
        metric = model.accuracy.metrics[0]
        accuracy = f"{metric.name} {text.from_to(metric)} ({text.change(metric)})"
    return [
        Text(model.name),
        Text(text.STATUS_WORDS[model.status], _STYLES[model.status]),
        Text(f"{text.size(sizes.float_bytes)} → {text.size(sizes.int8_bytes)}" if sizes else ""),
        Text(text.mapped(model.placement) if model.placement else ""),
        Text(accuracy),
    ]
