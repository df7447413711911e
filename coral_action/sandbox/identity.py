"""Who a child is, where the parent is root: a user that owns nothing, another one for each child.

A user of its own for each keeps children from each other as well, and lets the kernel count a
child's processes (RLIMIT_NPROC counts by user).
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path

from coral_action.sandbox.process import capabilities

# The image has a `coral-child` with this number; numbers need no name.
CHILD_GROUP = 64100
_FIRST_USER = 64100
_USERS = 1000
# CAP_CHOWN, CAP_FOWNER, CAP_KILL, CAP_SETGID, CAP_SETUID of linux/capability.h: to give a folder to
# a child, to clean up behind it, to end it, and to become another user.
_CAPABILITIES = (0, 3, 5, 6, 7)

_numbers = itertools.count()


def next_user() -> int | None:
    """The user for a child that is about to start; None where this process can't choose one."""
    if os.geteuid() != 0 or not _holds(_CAPABILITIES):
        return None
    return _FIRST_USER + next(_numbers) % _USERS


def show_to_children(folder: Path) -> None:
    """Let children read a folder that is this process's own, whatever user they are."""
    if os.geteuid() == 0 and _holds(_CAPABILITIES):
        os.chown(folder, -1, CHILD_GROUP)
        folder.chmod(0o750)


def give_to_child(folder: Path, user: int | None) -> None:
    """Let one child write into a folder; others may read what it leaves there."""
    if user is not None:
        os.chown(folder, user, CHILD_GROUP)
    folder.chmod(0o755)


def _holds(numbers: tuple[int, ...]) -> bool:
    held = capabilities()
    return all(held >> number & 1 for number in numbers)
