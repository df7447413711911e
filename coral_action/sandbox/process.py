"""What a process may do to others, and others to it."""

from __future__ import annotations

import contextlib
import os
import platform
import signal
import struct

from coral_action.sandbox.kernel import (
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    KernelError,
    number,
    prctl,
    syscall,
)

_MAX_DESCRIPTOR = 4096
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3 of linux/capability.h


def hide_from_children() -> None:
    """Make this process's memory, environment and descriptors unreadable by others of its user.

    Without it a child of the same user reads the token in /proc/<parent>/environ (proc(5),
    PR_SET_DUMPABLE in prctl(2)). Root is not stopped by it; a child of root drops its privileges.
    """
    with contextlib.suppress(KernelError):
        prctl(PR_SET_DUMPABLE, number(0))


def die_with_parent() -> None:
    """Be killed when the parent ends, however it ends."""
    with contextlib.suppress(KernelError):
        prctl(PR_SET_PDEATHSIG, number(signal.SIGKILL))


def drop_privileges(user: int, group: int) -> None:
    """Become another user for good; only root can.

    Raises:
        OSError: if it does not work.
    """
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if os.getresuid() != (user, user, user):
        raise PermissionError("still privileged")


def drop_capabilities() -> None:
    """Give up every capability for good, also those that root gets back when it starts a program.

    Without them root is only a user that owns many files: it can't read other processes, change
    owners or load modules (capabilities(7), and no_new_privs in prctl(2)).

    Raises:
        KernelError: if the machine's call is not known here, or the kernel refuses.
    """
    if platform.machine() not in _CAPSET:
        raise KernelError(f"capset of {platform.machine()} is not known here")
    prctl(PR_SET_NO_NEW_PRIVS, number(1))
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    nothing = struct.pack("=6I", 0, 0, 0, 0, 0, 0)  # effective, permitted, inheritable, twice
    syscall(_CAPSET[platform.machine()], header, nothing)


def close_descriptors(kept: frozenset[int]) -> None:
    """Close everything inherited but standard input, output, error and `kept`."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = max(start, descriptor + 1)
    os.closerange(start, _MAX_DESCRIPTOR)
