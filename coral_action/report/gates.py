"""What a pull request changes of the limits that guard it: data, and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from coral_action.report.base import Data
from coral_action.report.foreign import visible

if TYPE_CHECKING:
    from coral_action.report.model import Report

OF_THE_HEAD = ("source", "preprocess")  # no policy can hold them: they are what is reviewed
_SHOWN = 20  # changes in a list of a comment; all are in report.json


class GateChangeData(Data):
    """One gate on the base branch (`before`) and in the pull request (`after`).

    `gate` is a limit's name, `evaluation` (what the accuracy limit is measured with), `download
    NAME` (a file of that), `ignore` (findings that are silenced), `model` (it had limits and is
    gone), or `source` and `preprocess`: no gates, but what the accuracy is measured on.
    Absent: not set.
    """

    model: str
    gate: str
    before: str | None = None
    after: str | None = None
    weaker: bool


class GatesData(Data):
    """Whose gates held in the run, and what the pull request changes of them.

    `new_file`: the base branch, whose gates were to hold, has no such coral.yml.
    """

    policy: Literal["head", "base"]
    new_file: bool | None = None
    changes: list[GateChangeData] = Field(default_factory=list)


def sentences(report: Report) -> list[tuple[GateChangeData, str]]:
    """Each change in words, the weaker ones first; foreign text is visible, but not escaped."""
    changes = report.gates.changes if report.gates else []
    ordered = sorted(changes, key=lambda change: not change.weaker)[:_SHOWN]
    return [(change, _sentence(change)) for change in ordered]


def heading(report: Report) -> str:
    """The line above the changes; empty where there is none."""
    if report.gates is not None and report.gates.new_file:
        return "This pull request brings its own limits: the base branch has no such coral.yml"
    if report.gates is None or not report.gates.changes:
        return ""
    count = len(report.gates.changes)
    more = f" ({count}, of which {_SHOWN} are shown)" if count > _SHOWN else ""
    held = "; those of the base branch hold" if report.gates.policy == "base" else ""
    return f"This pull request changes limits{more}{held}:"


def _sentence(change: GateChangeData) -> str:
    before, after = (
        "none" if side is None else visible(side, 300) for side in (change.before, change.after)
    )
    name = visible(change.gate.replace("_", " "))
    if change.gate == "model":
        return f"the model is gone, and with it {before}"
    untold = change.gate == "evaluation" or change.gate.startswith("download ")
    verb = " (weaker)" if change.weaker and not untold else ""
    if change.gate in OF_THE_HEAD:
        verb = " (the pull request's own, under any policy)"
    return f"{name} {before} → {after}{verb}"
