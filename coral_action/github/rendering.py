"""The report as Markdown that fits; the one place where GitHub's side calls the renderer."""

from __future__ import annotations

from dataclasses import dataclass

from coral_action.report import markdown
from coral_action.report.model import Report

SUMMARY_BYTES = 1024 * 1024
_ELSEWHERE = "\n*The details are too long for here: see the job's summary and report.html.*\n"


@dataclass(frozen=True)
class Rendering:
    """A report for people."""

    report: Report

    def within(self, characters: int) -> str:
        """Markdown of at most so many characters (and four times as many bytes)."""
        text = markdown.render(self.report)
        if len(text) <= characters:
            return text
        # Without the details; or else the verdict alone.
        short = text.split("\n<details", 1)[0].rstrip("\n") + "\n" + _ELSEWHERE
        if len(short) <= characters:
            return short
        return (text.split("\n", 1)[0] + "\n" + _ELSEWHERE)[:characters]

    def within_bytes(self, limit: int) -> str:
        """Markdown of at most so many bytes of UTF-8."""
        budget = limit
        while len((text := self.within(budget)).encode()) > limit:
            budget = budget * 3 // 4
        return text


def compared(report: Report, baseline: Report | None) -> Report:
    """The report with what changed since the baseline, as far as the report can hold it."""
    return report
