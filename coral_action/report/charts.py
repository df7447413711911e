"""Small charts as inline SVG. docs/report.md says why no chart library is used."""

from __future__ import annotations

import math

from markupsafe import Markup, escape

from coral_action.report import text
from coral_action.report.foreign import visible
from coral_action.report.sections import Histogram

_WIDTH, _HEIGHT = 280, 90


def histogram(data: Histogram, label: str) -> Markup:
    """Bars on a logarithmic scale, so that thin tails show; the range of int8 is shaded."""
    width = (data.high - data.low) or 1.0
    most = math.log1p(max(data.counts)) or 1.0
    step = _WIDTH / len(data.counts)
    # One outline, half as long as a bar for each: a large report has hundreds of charts.
    heights = (round(math.log1p(count) / most * (_HEIGHT - 6)) for count in data.counts)
    steps = "".join(f"V{_HEIGHT - height}h{step:.4g}" for height in heights)
    bars = f"M0 {_HEIGHT}{steps}V{_HEIGHT}z"
    low, high = text.number(data.low), text.number(data.high)
    words = f"{visible(label)}: {sum(data.counts):,} values from {low} to {high}"
    shade = ""
    if data.int8_low is not None and data.int8_high is not None:
        start, end = (
            min(max((edge - data.low) / width, 0.0), 1.0) * _WIDTH
            for edge in (data.int8_low, data.int8_high)
        )
        shade = (
            f'<rect class="range" x="{start:.1f}" width="{max(end - start, 0):.1f}" '
            f'height="{_HEIGHT}"/>'
        )
        words += f"; int8 covers {text.number(data.int8_low)} to {text.number(data.int8_high)}"
    return Markup(  # noqa: S704  numbers of ours, and foreign text escaped
        f'<figure class="chart"><svg role="img" aria-label="{escape(words)}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}">{shade}<path class="bars" d="{bars}"/></svg>'
        f"<figcaption>{escape(words)}</figcaption></figure>"
    )
