"""What a child process gives up before it touches a stranger's file, and can't get back.

Each defence is one file. All of them work without privileges where the kernel has them; what is
missing is returned by name, so that the log can say it.
"""

from coral_action.sandbox.apply import Policy, apply
from coral_action.sandbox.process import hide_from_children

__all__ = ["Policy", "apply", "hide_from_children"]
