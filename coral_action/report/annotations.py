"""The report as annotations: lines of a job's log that the runner shows at lines of coral.yml.

The runner takes 10 of a level from one step, 4,096 characters each.
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections import Counter

from coral_action.report.foreign import message, visible
from coral_action.report.model import Report
from coral_action.report.notices import Notice, notices_of

MOST = 10  # of a level
_LONGEST = 4_000
_DEFAULT_CONFIG = "coral.yml"


def render(report: Report) -> str:
    """The workflow commands, one a line: the most useful ten of each level."""
    lines = []
    shown: Counter[str] = Counter()
    for notice in notices_of(report, report.config_file or _DEFAULT_CONFIG):
        shown[notice.level] += 1
        if shown[notice.level] <= MOST:
            lines.append(_command(notice))
    return "".join(f"{line}\n" for line in lines)


def _command(notice: Notice) -> str:
    sentence = "\n".join(visible(message(part), _LONGEST) for part in notice.message.split("\n"))
    place = f"file={_property(notice.file)},line={notice.line}"
    title = _property(notice.title)
    return f"::{notice.level} {place},title={title}::{data(sentence[:_LONGEST])}"


def data(value: str) -> str:
    """Data of a workflow command: no line break, no `##[` command inside."""
    escaped = value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace("##[", "## [")


def _property(value: str) -> str:
    return data(visible(value)).replace(":", "%3A").replace(",", "%2C")
