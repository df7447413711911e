"""The report as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from coral_action.report import foreign, gates, text
from coral_action.report.groups import on_cpu
from coral_action.report.model import ModelReport, Report

_STYLES = {"ok": "green", "limit_exceeded": "yellow", "failed": "red"}
_SEVERITY = {"error": "red", "warning": "yellow", "info": ""}
_BAR = 10
_GROUPS = 8  # of operators on the CPU, for each model


def visible(value: str) -> str:
    """A foreign name, in which a runner finds no command."""
    return foreign.harmless(foreign.visible(value))


def message(value: str) -> str:
    """The same for a sentence."""
    return foreign.harmless(foreign.message(value))


def render(report: Report) -> str:
    """The same without colour, 100 columns wide: for files and pipes."""
    console = Console(width=100, no_color=True, highlight=False, force_terminal=False)
    with console.capture() as capture:
        print_report(report, console)
    return capture.get()


def print_report(report: Report, console: Console) -> None:
    """Verdict, one row a model, then why; foreign text can't move the cursor or change colours."""
    status = text.worst_status(report.models)
    console.print(Text(f"coral-quantize: {text.verdict(report.models)}", f"bold {_STYLES[status]}"))
    for model, reason in text.reasons(report):
        style = _STYLES[model.status]
        line = Text(f"  {visible(model.name)}: {message(reason)}", style)
        console.print(line, soft_wrap=not console.is_terminal)
    if title := gates.heading(report):
        console.print(Text(title))
        for change, sentence in gates.sentences(report):
            prefix = f"{visible(change.model)}: " if change.model else ""
            line = Text(f"  {prefix}{message(sentence)}", "yellow" if change.weaker else "")
            console.print(line, soft_wrap=not console.is_terminal)
    table = Table()
    # Words are broken before a column is lost.
    for heading in ("Model", "Result", "Size", "On Edge TPU", "Accuracy"):
        table.add_column(heading, overflow="fold", min_width=4)
    for model in report.models:
        table.add_row(*_row(model))
    console.print(table)
    for model in report.models:
        for line in _lines(model):
            # Where a line is broken, foreign text would begin one; in a log, that can be a command.
            console.print(line, soft_wrap=not console.is_terminal)


def _row(model: ModelReport) -> list[Text]:
    sizes, placement = model.sizes, model.placement
    where = f"{text.bar(placement, _BAR)}\n{text.mapped(placement)}" if placement else ""
    latency = text.latency(model.edge_tpu)
    return [
        Text(visible(model.name)),
        Text("\n".join(_result(model)), _STYLES[model.status]),
        Text(f"{text.sizes(sizes)}\n{text.size_change(sizes)}" if sizes else ""),
        Text(f"{where}\n{latency}" if latency else where),
        Text(visible(text.accuracy(model))),
    ]


def _result(model: ModelReport) -> list[str]:
    return [text.STATUS_WORDS[model.status], *filter(None, [text.origin(model)])]


def _lines(model: ModelReport) -> Iterator[Text]:
    name = visible(model.name)
    for finding in model.findings:
        line = f"{name}: {visible(finding.id)}: {message(finding.message)}"
        yield Text(line, _SEVERITY[finding.severity])
        if finding.advice:
            yield Text(f"  → {message(finding.advice)}")
    groups = on_cpu(model.placement)
    for group in groups[:_GROUPS]:
        line = f"{name}: {visible(group.name)} {group.where(4)} on the CPU: {message(group.reason)}"
        yield Text(line, "yellow")
        if group.advice:
            yield Text(f"  → {message(group.advice)}")
    if len(groups) > _GROUPS:
        yield Text(f"{name}: and {len(groups) - _GROUPS} more kinds of operators on the CPU")
