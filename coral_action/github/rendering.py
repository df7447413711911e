"""The report as Markdown that fits; the one place where GitHub's side calls the renderer."""

from __future__ import annotations

from dataclasses import dataclass

from coral_action.report import markdown
from coral_action.report.baseline import with_baseline
from coral_action.report.fit import Budget
from coral_action.report.model import Report

SUMMARY_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Rendering:
    """A report for people."""

    report: Report

    def within(self, characters: int) -> str:
        """Markdown of at most so many characters (and four times as many bytes)."""
        budget = Budget(characters=characters, bytes=4 * characters)
        return markdown.render(self.report, budget)[:characters]

    def within_bytes(self, limit: int) -> str:
        """Markdown of at most so many bytes of UTF-8."""
        return markdown.render(self.report, Budget(characters=limit, bytes=limit))


def compared(report: Report, baseline: Report | None) -> Report:
    """The report with what changed since the baseline, if there is one."""
    return report if baseline is None else with_baseline(report, baseline)
