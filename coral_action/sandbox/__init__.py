"""What a child process gives up before it touches a stranger's file, and can't get back.

Each defence is one file. All of them work without privileges where the kernel has them; what is
missing is returned by name, so that the log can say it. docs/sandbox.md tells what each is for.
"""

from coral_action.sandbox.apply import apply
from coral_action.sandbox.identity import CHILD_GROUP, give_to_child, next_user, show_to_children
from coral_action.sandbox.limits import Limits
from coral_action.sandbox.policy import Policy, Reading, workspace
from coral_action.sandbox.process import hide_from_children
from coral_action.sandbox.strength import CANT_START, Strength, note, weakest

__all__ = [
    "CANT_START",
    "CHILD_GROUP",
    "Limits",
    "Policy",
    "Reading",
    "Strength",
    "apply",
    "give_to_child",
    "hide_from_children",
    "next_user",
    "note",
    "show_to_children",
    "weakest",
    "workspace",
]
