"""What a process may do to others, and others to it."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

from coral_action.sandbox.kernel import (
    PR_CAP_AMBIENT,
    PR_CAP_AMBIENT_RAISE,
    PR_SET_DUMPABLE,
    PR_SET_KEEPCAPS,
    PR_SET_NO_NEW_PRIVS,
    PR_SET_PDEATHSIG,
    KernelError,
    number,
    prctl,
    syscall,
)

_MAX_DESCRIPTOR = 65536
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


def be_killed_first() -> None:
    """Where memory runs out, the kernel ends this process, and not the one that watches it."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def unreadable(user: int, group: int, paths: Iterable[Path]) -> Path | None:
    """The first file or folder that another user could not read or enter; root asks."""
    mine = os.getegid()
    os.setgroups([])
    os.setegid(group)
    os.seteuid(user)
    try:
        for path in paths:
            try:
                mode = os.R_OK | (os.X_OK if path.is_dir() else 0)
                if not os.access(path, mode, effective_ids=True):
                    return path
            except PermissionError:  # a folder on the way to it
                return path
        return None
    finally:
        os.seteuid(0)
        os.setegid(mine)


def drop_privileges(user: int, group: int, *, keep_capabilities: bool = False) -> None:
    """Become another user for good; only root can.

    Capabilities go with it, unless `drop_capabilities` is to choose among them afterwards.

    Raises:
        OSError: if it does not work.
    """
    if keep_capabilities:
        prctl(PR_SET_KEEPCAPS, number(1))
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if os.getresuid() != (user, user, user):
        raise PermissionError("still privileged")


def drop_capabilities(kept: int = 0) -> None:
    """Give up every capability for good, also those that root gets back when it starts a program.

    Without them root is only a user that owns many files: it can't read other processes, change
    owners or load modules (capabilities(7), and no_new_privs in prctl(2)).

    Raises:
        KernelError: if the machine's call is not known here, or the kernel refuses.
    """
    if not can_choose_capabilities():
        raise KernelError(f"capset of {os.uname().machine} is not known here")
    prctl(PR_SET_NO_NEW_PRIVS, number(1))
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    # Effective, permitted, inheritable; then the same of the upper half.
    sets = struct.pack("=6I", kept, kept, kept, 0, 0, 0)
    syscall(_CAPSET[os.uname().machine], header, sets)
    for capability in range(32):
        if kept >> capability & 1:
            prctl(PR_CAP_AMBIENT, number(PR_CAP_AMBIENT_RAISE), number(capability))


def can_choose_capabilities() -> bool:
    """Whether `drop_capabilities` works on this kind of machine."""
    return os.uname().machine in _CAPSET


def capabilities() -> int:
    """The mask of what this process may have."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("CapPrm:"):
                return int(line.split()[1], 16)
    return 0


def limit(kind: int, value: int) -> None:
    """Lower a limit; a platform that has none, or a lower one, keeps its own."""
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def close_descriptors(kept: frozenset[int]) -> None:
    """Close everything inherited but standard input, output, error and `kept`."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = max(start, descriptor + 1)
    os.closerange(start, _MAX_DESCRIPTOR)
