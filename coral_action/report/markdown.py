"""The report as GitHub Markdown, for comments and job summaries: verdict, table, details."""

from __future__ import annotations

from collections import Counter, defaultdict

from coral_action.report import gates, text
from coral_action.report.comparison import Change, ModelComparison
from coral_action.report.escape import cell, code, plain
from coral_action.report.fit import COMMENT, SUMMARY, Block, Budget, Cost, choose
from coral_action.report.markdown_details import blocks_of
from coral_action.report.model import ModelReport, Report

__all__ = ["COMMENT", "SUMMARY", "Budget", "render"]

ICONS = {"ok": "✅", "limit_exceeded": "⚠️", "failed": "❌"}
_REASONS = 5  # named under the verdict; the others are in the details
_BAR = 6  # blocks; more would make the table too wide for a phone
_NOTE = 600  # characters kept free for the note on what was left out
_HEADER = (
    "| Model | Size | Edge TPU | Accuracy |",
    "|:--|:--|:--|:--|",
)


def render(
    report: Report,
    budget: Budget | None = None,
    *,
    whole: str = "`report.html`, among the files of this run",
) -> str:
    """The whole report, or what fits into a budget.

    Verdict and table come first and stay whole as long as they fit by themselves. What is left out
    is named at the end.

    Args:
        report: what to show; `report.baseline` is shown where it is there.
        budget: `COMMENT`, `SUMMARY` or another; None: no limit.
        whole: Markdown that says where the whole report is.
    """
    compared = {m.name: m for m in report.baseline.models} if report.baseline else {}
    head = _head(report)
    rows = [_row(model, compared.get(model.name)) for model in report.models]
    foot = _foot(report)
    blocks = [
        block
        for index, model in enumerate(report.models)
        for block in blocks_of(model, index, compared.get(model.name))
    ]
    # Rows are worth more than any block, those of failed models most.
    ranks = {"ok": 0, "limit_exceeded": 1, "failed": 2}
    row_blocks = [
        Block(row, (1_000, ranks[model.status]), "row of the table", -1 - index)
        for index, (row, model) in enumerate(zip(rows, report.models, strict=True))
    ]
    fixed = Cost.of("\n".join([*head, *_HEADER, *foot])) + Cost(_NOTE, _NOTE)
    troubled = sum(model.status != "ok" for model in report.models)
    frames = [_frame(model, is_open=troubled <= 2) for model in report.models]
    kept, left_out = choose(
        [*blocks, *row_blocks],
        budget,
        fixed,
        lambda owner: Cost.of("\n".join(frames[owner])) if owner >= 0 else Cost(),
    )
    shown_rows = [row for i, row in enumerate(rows) if len(blocks) + i in kept]
    lines = [*head, *_HEADER, *shown_rows, ""]
    texts: defaultdict[int, list[str]] = defaultdict(list)
    for i, block in enumerate(blocks):
        if i in kept:
            texts[block.owner].append(block.text)
    for index, (opening, closing) in enumerate(frames):
        if index in texts:
            lines += [opening, *texts[index], closing]
    return "\n".join([*lines, *_note(left_out, whole), *foot, ""])


def render_comment(report: Report) -> str:
    """What fits into a comment."""
    return render(report, COMMENT)


def _head(report: Report) -> list[str]:
    status = text.worst_status(report.models)
    lines = [f"### {ICONS[status]} coral-quantize: {text.verdict(report.models)}", ""]
    reasons = text.reasons(report)
    for model, reason in reasons[:_REASONS]:
        lines.append(f"- {ICONS[model.status]} {code(model.name)}: {plain(reason)}")
    if len(reasons) > _REASONS:
        lines.append(f"- and {len(reasons) - _REASONS} more, in the details below")
    if title := gates.heading(report):
        lines += ["", f"⚖️ **{title}**"]
        for change, sentence in gates.sentences(report):
            prefix = f"{code(change.model)}: " if change.model else ""
            lines.append(f"- {prefix}{plain(sentence)}")
        lines.append("")
    if report.baseline:
        for word, names in (
            ("New", report.baseline.added),
            ("No longer there", report.baseline.removed),
        ):
            if names:
                listed = ", ".join(code(name) for name in names[:10])
                more = f" and {len(names) - 10} more" if len(names) > 10 else ""
                lines.append(f"- {word}: {listed}{more}")
    return [*lines, ""] if lines[-1] else lines


def _row(model: ModelReport, compared: ModelComparison | None) -> str:
    changes = {change.figure: change for change in compared.changes} if compared else {}
    cells = [
        _cell(f"{ICONS[model.status]} {code(model.name)}", text.origin(model)),
        _size_cell(model, changes),
        _edge_tpu_cell(model, changes),
        _accuracy_cell(model, changes),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(first: str, *others: str) -> str:
    """The main figure, and the others below it in small print: a phone is 400 pixels wide."""
    return "<br>".join([first, *(f"<sub>{other}</sub>" for other in others if other)])


def _arrow(changes: dict[str, Change], figure: str) -> str:
    return text.arrow(changes[figure]) if figure in changes else ""


def _size_cell(model: ModelReport, changes: dict[str, Change]) -> str:
    sizes = model.sizes
    if sizes is None:
        return "—"
    compiled = f"Edge TPU {text.size(sizes.edgetpu_bytes)}" if sizes.edgetpu_bytes else ""
    return _cell(
        text.sizes(sizes), text.size_change(sizes), compiled, _arrow(changes, "sizes.int8_bytes")
    )


def _edge_tpu_cell(model: ModelReport, changes: dict[str, Change]) -> str:
    placement = model.placement
    if placement is None:
        return "—"
    return _cell(
        f"{placement.edge_tpu} of {placement.edge_tpu + placement.cpu}",
        text.bar(placement, _BAR),
        "predicted" if placement.origin == "predicted" else "",
        _arrow(changes, "placement.edge_tpu"),
        text.latency(model.edge_tpu),
        _arrow(changes, "edge_tpu.latency_ms"),
    )


def _accuracy_cell(model: ModelReport, changes: dict[str, Change]) -> str:
    if model.accuracy is None or not model.accuracy.metrics:
        return "—"
    metric = model.accuracy.metrics[0]
    interval = text.interval(metric)
    change = text.change(metric) + (f" ({interval})" if interval else "")
    return _cell(
        text.from_to(metric),
        cell(metric.name),
        change,
        _arrow(changes, f"accuracy.{metric.name}.int8"),
    )


def _frame(model: ModelReport, *, is_open: bool) -> tuple[str, str]:
    """The collapsed element around a model's details; one in trouble can be open."""
    opened = " open" if model.status != "ok" and is_open else ""
    words = text.STATUS_WORDS[model.status]
    origin = f" ({text.origin(model)})" if text.origin(model) else ""
    summary = f"{ICONS[model.status]} {code(model.name)}: {words}{origin}"
    return f"<details{opened}><summary>{summary}</summary>\n", "\n</details>\n"


def _note(left_out: Counter[str], whole: str) -> list[str]:
    if not left_out:
        return []
    listed = ", ".join(
        f"{title} ({count})" if count > 1 else title for title, count in left_out.items()
    )
    return [f"**Left out so that it fits:** {listed}. All of it is in {whole}.", ""]


def _foot(report: Report) -> list[str]:
    notes = []
    metrics = [m.accuracy.metrics[0] for m in report.models if m.accuracy and m.accuracy.metrics]
    if metrics:
        notes.append("Accuracy: float → int8, and the change")
        if known := next((metric for metric in metrics if metric.interval), None):
            notes[-1] += f" with its {text.confidence(known)} interval"
    if report.baseline:
        notes.append("↑ ↓ against the baseline, only where it is more than noise")
    versions = ", ".join(f"{plain(name)} {plain(value)}" for name, value in report.tool.items())
    return [f"<sub>{'. '.join([*notes, versions])}</sub>"]
