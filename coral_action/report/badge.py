"""A badge for a README: an SVG of ours, or data for the badge service's endpoint."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from coral_action.counts import plural
from coral_action.report import text
from coral_action.report.model import Report

LABEL = "Edge TPU"
_COLOURS = {"ok": "#1a7f37", "limit_exceeded": "#9a6700", "failed": "#cf222e"}
_NAMES = {"ok": "brightgreen", "limit_exceeded": "yellow", "failed": "red"}
_HEIGHT, _PADDING = 20, 6


def message_of(report: Report) -> str:
    """A few words: 3 models passed · 36/36 operators."""
    words = text.verdict(report.models)
    placements = [model.placement for model in report.models if model.placement]
    if placements and report.passed:
        mapped = sum(placement.edge_tpu for placement in placements)
        total = mapped + sum(placement.cpu for placement in placements)
        words += f" · {mapped}/{plural(total, 'operator')}"
    return words


def render_svg(report: Report) -> str:
    """The badge as a picture; text is drawn in fixed widths, so that any font fits."""
    status = text.worst_status(report.models)
    message = message_of(report)
    left, right = _width(LABEL), _width(message)
    total = left + right
    title = escape(f"{LABEL}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{_HEIGHT}" '
        f'role="img" aria-label="{title}"><title>{title}</title>'
        f'<clipPath id="r"><rect width="{total}" height="{_HEIGHT}" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{left}" height="{_HEIGHT}" fill="#444"/>'
        f'<rect x="{left}" width="{right}" height="{_HEIGHT}" fill="{_COLOURS[status]}"/></g>'
        '<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f"{_text(LABEL, 0, left)}{_text(message, left, right)}</g></svg>\n"
    )


def render_endpoint(report: Report) -> str:
    """Data for https://shields.io/badges/endpoint-badge."""
    data = {
        "schemaVersion": 1,
        "label": LABEL,
        "message": message_of(report),
        "color": _NAMES[text.worst_status(report.models)],
    }
    if data["color"] == "red":
        data["isError"] = True
    return json.dumps(data, ensure_ascii=False) + "\n"


def _width(words: str) -> int:
    """Width in pixels of 11 px Verdana, counted coarsely; the text is stretched to fit it."""
    narrow = sum(character in " .,:;·ijlt/'1" for character in words)
    return round((len(words) - narrow) * 7 + narrow * 4.5) + 2 * _PADDING


def _text(words: str, start: int, width: int) -> str:
    return (
        f'<text x="{start + _PADDING}" y="14" textLength="{width - 2 * _PADDING}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(words)}</text>'
    )
