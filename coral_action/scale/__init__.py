"""Many models, much data: what changed, how the rest is shared out over jobs, and joined again."""

from __future__ import annotations

from coral_action.scale.carry import carry_over
from coral_action.scale.changes import Changes, find_changes, unchanged
from coral_action.scale.merging import merge
from coral_action.scale.partial import Partial, read_partials
from coral_action.scale.plan_file import Plan
from coral_action.scale.planning import make_plan

__all__ = [
    "Changes",
    "Partial",
    "Plan",
    "carry_over",
    "find_changes",
    "make_plan",
    "merge",
    "read_partials",
    "unchanged",
]
