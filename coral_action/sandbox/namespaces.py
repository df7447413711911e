"""A network without anybody in it, and processes that are counted alone (namespaces(7))."""

from __future__ import annotations

import os
from pathlib import Path

from coral_action.sandbox.kernel import KernelError, unshare

_NEW_USER = 0x10000000  # CLONE_NEWUSER of linux/sched.h
_NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def leave_network() -> bool:
    """Move this process into a network namespace of its own, where not even loopback is up.

    Root does so directly. Everybody else needs a user namespace around it, in which they keep
    their number, and which has one more use: its processes are counted alone (RLIMIT_NPROC, from
    Linux 5.14).

    Returns:
        Whether a user namespace was made.

    Raises:
        KernelError: if the kernel, or a container around this process, does not allow it.
    """
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        unshare(_NEW_NETWORK)
        return False
    unshare(_NEW_USER | _NEW_NETWORK)
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    except OSError as error:
        raise KernelError(error.errno, f"a user namespace without its user: {error}") from error
    return True
