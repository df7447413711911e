"""The report as one self-contained HTML page: opens from disk, asks no network for anything.

Everything essential is there without a script; the script adds sorting and zooming. A content
security policy in the page allows that one script, by its hash, and nothing from elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from coral_action.report import gates, text
from coral_action.report.charts import histogram
from coral_action.report.foreign import message, prose
from coral_action.report.graph import svg
from coral_action.report.groups import on_cpu
from coral_action.report.model import Report

if TYPE_CHECKING:
    from jinja2 import Environment


def render(report: Report) -> str:
    """The whole page; every value is made visible and escaped by the template engine."""
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    compared = {m.name: m for m in report.baseline.models} if report.baseline else {}
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            compared=compared,
            text=text,
            graph=svg,
            histogram=histogram,
            on_cpu=on_cpu,
            gates=gates,
            style=_markup(_asset("report.css")),
            script=_markup(script),
            script_hash=_markup(digest),
        )
    )


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("coral_action.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["picture"] = _markup
    environment.filters["prose"] = _prose
    return environment


def _shown(value: Any) -> Any:
    """No control character or direction override gets into the page, whatever it comes from."""
    return message(value) if type(value) is str else value


def _prose(value: str) -> Any:
    """A sentence, with what stands between backticks as code."""
    from markupsafe import Markup

    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if is_code else piece
        for is_code, piece in prose(value)
    )


def _markup(value: str) -> Any:
    """Text that goes in as it is: files of ours, and pictures, whose form the model has checked."""
    from markupsafe import Markup

    return Markup(value)  # noqa: S704


@cache
def _asset(name: str) -> str:
    return files("coral_action.report").joinpath("templates", name).read_text("utf-8").strip()
