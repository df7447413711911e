"""Writing the report beside the models: report.json, report.md, report.html."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.errors import UsageError
from coral_action.output_files import write_file

if TYPE_CHECKING:
    from coral_action.report.model import Report

# Renderers are imported late: a run begins its work without them.
_NAMES = ("report.json", "report.md", "report.html")


def remove_report(folder: Path) -> None:
    """Remove what an earlier run left, so that a run that is killed leaves none that looks new."""
    for name in _NAMES:
        with contextlib.suppress(OSError):
            (folder / name).unlink()


def prepare_report() -> None:
    """What writing takes before there is anything to write; good to do while others work."""
    from coral_action.report import html

    html.prepare()


def write_report(report: Report, folder: Path) -> None:
    """Write all three; each appears whole or not at all.

    Raises:
        UsageError: if the folder can't be written.
    """
    from coral_action.report import html, markdown
    from coral_action.report.formats import render_json

    contents = dict(
        zip(
            _NAMES,
            (render_json(report), markdown.render(report), html.render(report)),
            strict=True,
        )
    )
    try:
        for name, content in contents.items():
            write_file(folder / name, content)
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error
