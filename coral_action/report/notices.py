"""What of a report belongs at a line of a file: for the runner's log and for check runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePosixPath
from typing import Literal

from coral_action.counts import plural
from coral_action.errors import troubleshooting
from coral_action.report import text
from coral_action.report.groups import on_cpu
from coral_action.report.model import FindingData, ModelReport, Report

Level = Literal["error", "warning", "notice"]
_LEVELS: dict[str, Level] = {"error": "error", "warning": "warning", "info": "notice"}
_ORDER: tuple[Level, ...] = ("error", "warning", "notice")
_GROUPS = 10  # of operators on the CPU that are named


@dataclass(frozen=True)
class Notice:
    """One message at a place; `file` is relative to the workspace, without `..`.

    Messages are foreign text: whoever shows them escapes them.
    """

    level: Level
    message: str
    file: str
    line: int = 1
    title: str = "coral-quantize"


def notices_of(report: Report, config: str) -> list[Notice]:
    """All of them, the most useful first; `config` is the path of coral.yml.

    Errors stand before warnings, and no model crowds out another: within a level, the first of
    each model come first.
    """
    by_model = [list(_notices(model, config)) for model in report.models]
    ordered: list[Notice] = []
    for level in _ORDER:
        turns = zip_longest(*([n for n in found if n.level == level] for found in by_model))
        ordered += [notice for turn in turns for notice in turn if notice is not None]
    return ordered


def _notices(model: ModelReport, config: str) -> Iterator[Notice]:
    here = max(model.line or 1, 1)
    if model.error:
        hint = f"\n{model.error.hint}" if model.error.hint else ""
        hint += f"\nsee {troubleshooting(model.error.topic)}" if model.error.topic else ""
        yield Notice("error", f"{model.name}: {model.error.message}{hint}", config, here)
    for limit in model.limits:
        if not limit.passed:
            sentence = f"{model.name}: {text.limit_sentence(limit, model)}"
            yield Notice("error", sentence, config, max(limit.line or here, 1))
    for finding in sorted(model.findings, key=lambda f: _ORDER.index(_LEVELS[f.severity])):
        yield _of_finding(model.name, finding, config, here)
    groups = on_cpu(model.placement)
    if groups:
        count = sum(len(group.indices) for group in groups)
        listed = "\n".join(f"{g.name} {g.where(4)}: {g.reason}" for g in groups[:_GROUPS])
        sentence = f"{model.name}: {plural(count, 'operator')} left on the CPU\n{listed}"
        yield Notice("warning", sentence, config, here)


def _of_finding(model: str, finding: FindingData, config: str, here: int) -> Notice:
    advice = f"\n{finding.advice}" if finding.advice else ""
    file = finding.file or ""
    path = PurePosixPath(file)
    inside = bool(file) and not path.is_absolute() and ".." not in path.parts
    return Notice(
        _LEVELS[finding.severity],
        f"{model}: {finding.message}{advice}",
        path.as_posix() if inside else config,
        max(finding.line or 1, 1) if inside else here,
        f"coral-quantize {finding.id}",
    )
