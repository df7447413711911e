"""The report as one self-contained HTML page: no network, no script."""

from __future__ import annotations

from coral_action.report import text
from coral_action.report.model import Report


def render(report: Report) -> str:
    """The whole page; every value is escaped by the template engine."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("coral_action.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(report=report, text=text)
