"""The report as annotations: lines of a job's log that the runner shows at lines of coral.yml.

The runner takes 10 of a level from one step, 4,096 characters each.
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator

from coral_action.report import text
from coral_action.report.foreign import message, visible
from coral_action.report.groups import on_cpu
from coral_action.report.model import ModelReport, Report

MOST = 10  # of a level
_LONGEST = 4_000
_LEVELS = {"error": "error", "warning": "warning", "info": "notice"}
_DEFAULT_CONFIG = "coral.yml"

# level, file, line, sentence
Annotation = tuple[str, str, int | None, str]


def render(report: Report) -> str:
    """The workflow commands, one a line: the most useful ten of each level."""
    config = report.config_file or _DEFAULT_CONFIG
    found = [item for model in report.models for item in _annotations(model, config)]
    lines = []
    for level in ("error", "warning", "notice"):
        lines += [_command(*item) for item in found if item[0] == level][:MOST]
    return "".join(f"{line}\n" for line in lines)


def _annotations(model: ModelReport, config: str) -> Iterator[Annotation]:
    if model.error:
        hint = f"\n{message(model.error.hint)}" if model.error.hint else ""
        yield "error", config, model.line, f"{model.name}: {message(model.error.message)}{hint}"
    for limit in model.limits:
        if not limit.passed:
            line = limit.line or model.line
            yield "error", config, line, f"{model.name}: {text.limit_sentence(limit, model)}"
    for finding in model.findings:
        advice = f"\n{message(finding.advice)}" if finding.advice else ""
        in_file = finding.file is not None and finding.line is not None
        yield (
            _LEVELS[finding.severity],
            finding.file if in_file and finding.file else config,
            finding.line if in_file else model.line,
            f"{model.name}: {finding.id}: {message(finding.message)}{advice}",
        )
    groups = on_cpu(model.placement)
    if groups:
        count = sum(len(group.indices) for group in groups)
        listed = "\n".join(f"{g.name} {g.where(4)}: {message(g.reason)}" for g in groups[:10])
        sentence = f"{model.name}: {text.plural(count, 'operator')} left on the CPU\n{listed}"
        yield "warning", config, model.line, sentence


def _command(level: str, file: str, line: int | None, sentence: str) -> str:
    shown = "\n".join(visible(part, _LONGEST) for part in sentence.split("\n"))[:_LONGEST]
    place = f"file={_property(file)}" + (f",line={line}" if line and line > 0 else "")
    return f"::{level} {place},title=coral-quantize::{data(shown)}"


def data(value: str) -> str:
    """Data of a workflow command: no line break, no `##[` command inside."""
    escaped = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace("##[", "## [")


def _property(value: str) -> str:
    return data(visible(value)).replace(":", "%3A").replace(",", "%2C")
