"""The report as GitHub Markdown, for job summaries and comments."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from coral_action.report import text
from coral_action.report.model import ModelReport, Report

_ICONS = {"ok": "✅", "limit_exceeded": "⚠️", "failed": "❌"}
_UNSAFE = re.compile(r"[^A-Za-z0-9 -]")


def plain(value: str) -> str:
    """Foreign text that can't be anything but text: every special character is an entity.

    GitHub finds mentions, links and issue numbers after it has read entities, so those characters
    are followed by a zero-width joiner, which keeps the words apart.
    """
    flat = " ".join(value.split())
    escaped = _UNSAFE.sub(lambda match: f"&#{ord(match[0])};", flat)
    return re.sub(r"(&#64;|&#35;|(?i:www)(?=&#46;))", r"\1&#8205;", escaped)


def code(value: str) -> str:
    """Foreign text in a code element, where GitHub looks for no mentions, links or numbers."""
    flat = " ".join(value.split())
    return f"<code>{_UNSAFE.sub(lambda match: f'&#{ord(match[0])};', flat)}</code>"


def render(report: Report) -> str:
    """The whole report: verdict, one table, then details of each model."""
    worst = next((s for s in ("failed", "limit_exceeded") if _any(report, s)), "ok")
    lines = [f"### {_ICONS[worst]} coral-quantize: {text.verdict(report.models)}", ""]
    lines += _table(report.models)
    for model in report.models:
        lines += ["", *_details(model)]
    versions = ", ".join(f"{name} {version}" for name, version in report.tool.items())
    return "\n".join([*lines, "", f"<sub>{html.escape(versions)}</sub>", ""])


def _any(report: Report, status: str) -> bool:
    return any(model.status == status for model in report.models)


def _table(models: list[ModelReport]) -> list[str]:
    lines = [
        "| | Model | Size: float → int8 | Edge TPU operators | Accuracy: float → int8 |",
        "|---|---|---|---|---|",
    ]
    for model in models:
        cells = [_ICONS[model.status], code(model.name), _sizes(model)]
        cells.append(text.mapped(model.placement) if model.placement else "")
        cells.append(_accuracy(model))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _sizes(model: ModelReport) -> str:
    if model.sizes is None:
        return ""
    compiled = model.sizes.edgetpu_bytes
    return f"{text.size(model.sizes.float_bytes)} → {text.size(model.sizes.int8_bytes)}" + (
        f" (compiled {text.size(compiled)})" if compiled else ""
    )


def _accuracy(model: ModelReport) -> str:
    if model.accuracy is None:
        return ""
    metric = model.accuracy.metrics[0]
    return f"{metric.name} {text.from_to(metric)} ({text.change(metric)})"


def _details(model: ModelReport) -> Iterator[str]:
    is_open = " open" if model.status != "ok" else ""
    status = text.STATUS_WORDS[model.status]
    yield f"<details{is_open}><summary>{code(model.name)}: {status}</summary>"
    yield ""
    if model.error:
        yield f"**{plain(model.error.message)}**"
        if model.error.hint:
            yield f"<br>{plain(model.error.hint)}"
        yield ""
    for limit in model.limits:
        yield (
            f"- {'✅' if limit.passed else '⚠️'} {text.LIMIT_NAMES[limit.name]}: "
            f"{text.limit_value(limit, limit.value)}, limit {text.limit_value(limit, limit.limit)}"
        )
    for finding in model.findings:
        advice = f" {plain(finding.advice)}" if finding.advice else ""
        yield f"- {finding.severity} {finding.id}: {plain(finding.message)}.{advice}"
    yield from _operators_on_cpu(model)
    yield from _facts(model)
    yield "</details>"


def _operators_on_cpu(model: ModelReport) -> Iterator[str]:
    left = [o for o in model.placement.operators if o.target == "cpu"] if model.placement else []
    if left:
        yield ""
        yield "| Operator on the CPU | Why | What to do |"
        yield "|---|---|---|"
        for operator in left:
            yield (
                f"| {code(operator.name)} ({operator.index}) | {plain(operator.reason or '')} "
                f"| {plain(operator.advice or '')} |"
            )


def _facts(model: ModelReport) -> Iterator[str]:
    yield ""
    yield f"Source {code(model.source.path)}" + (
        f" ({model.source.format}), SHA-256 <code>{html.escape(model.source.sha256[:16])}</code>"
        if model.source.sha256
        else ""
    )
    if model.quantization:
        yield (
            f"<br>Calibrated with {model.quantization.samples} samples, "
            f"{model.quantization.calibrator}, {model.quantization.io} input and output"
        )
    if model.accuracy:
        metrics = ", ".join(f"{m.name} {text.from_to(m)}" for m in model.accuracy.metrics)
        yield f"<br>Evaluated on {model.accuracy.samples} samples: {metrics}"
        if model.accuracy.agreement is not None:
            yield (
                "; float and int8 choose the same class in "
                f"{text.percent(model.accuracy.agreement)}"
            )
    yield ""
