"""Writing the report beside the models: report.json, report.md, report.html."""

from __future__ import annotations

from pathlib import Path

from coral_action.errors import UsageError
from coral_action.file_writing import replace_file
from coral_action.report import html, markdown
from coral_action.report.formats import render_json
from coral_action.report.model import Report


def write_report(report: Report, folder: Path) -> None:
    """Write all three; each appears whole or not at all.

    Raises:
        UsageError: if the folder can't be written.
    """
    contents = {
        "report.json": render_json(report),
        "report.md": markdown.render(report),
        "report.html": html.render(report),
    }
    try:
        for name, content in contents.items():
            replace_file(folder / name, content.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"{folder}: can't be written: {error.strerror}") from error
