"""Every way to show a report, by the name that the command line knows it by.

A new one is a module with a function that makes text of a report, and a line here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib import import_module

from coral_action.report.model import Report

Renderer = Callable[[Report], str]

# Modules are imported when they are asked for: rich and jinja2 take their time.
_RENDERERS = {
    "terminal": "terminal:render",
    "markdown": "markdown:render",
    "comment": "markdown:render_comment",
    "html": "html:render",
    "json": "formats:render_json",
    "sarif": "sarif:render",
    "junit": "junit:render",
    "csv": "table:render",
    "badge": "badge:render_svg",
    "badge-json": "badge:render_endpoint",
    "annotations": "annotations:render",
}
FORMATS = tuple(_RENDERERS)


def renderer(name: str) -> Renderer:
    """The function for one of `FORMATS`."""
    module, function = _RENDERERS[name].split(":")
    found: Renderer = getattr(import_module(f"coral_action.report.{module}"), function)
    return found


def render_json(report: Report) -> str:
    """report.json again, with the comparison where there is one."""
    return json.dumps(report.to_json(), indent=2, ensure_ascii=False) + "\n"
