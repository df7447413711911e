"""One policy for a child process, and applying it in the right order."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coral_action.sandbox.kernel import LINUX, KernelError
from coral_action.sandbox.landlock import restrict_files
from coral_action.sandbox.process import (
    close_descriptors,
    die_with_parent,
    drop_capabilities,
    drop_privileges,
    hide_from_children,
)
from coral_action.sandbox.seccomp import restrict_calls

# What Python and TensorFlow read of the system; no home folder, nothing of the runner.
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
)
_READ_ONLY = ("/proc", "/sys/devices/system", "/sys/fs/cgroup", "/dev/urandom", "/dev/random")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")


@dataclass(frozen=True)
class Policy:
    """What a child may touch beside the system and this program's own files.

    Attributes:
        readable: files and folders, with all below.
        writable: folders, with all below.
        runnable: programs, with the folders of what they need.
        user: uid to become, where this process is root; None keeps it.
        group: gid to become.
    """

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    runnable: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to the child."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Policy:
        """The inverse of `to_json`."""
        lists = {name: tuple(data[name]) for name in ("readable", "writable", "runnable")}
        return cls(**lists, user=data["user"], group=data["group"])


def apply(policy: Policy, kept_descriptors: frozenset[int] = frozenset()) -> list[str]:
    """Give up everything that the policy does not grant; what could not be given up, by name.

    Raises:
        OSError: if root can't become another user: then nothing of the stranger's may be touched.
    """
    close_descriptors(kept_descriptors)
    if policy.user is not None and policy.group is not None:
        drop_privileges(policy.user, policy.group)
    # After the change of user, which resets both.
    die_with_parent()
    hide_from_children()
    missing = []
    try:
        drop_capabilities()
    except KernelError:
        missing.append("capabilities")
    program = (*_SYSTEM, sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parents[2]))
    try:
        restrict_files(
            readable=map(Path, (*_READ_ONLY, *policy.readable)),
            runnable=map(Path, (*program, *policy.runnable)),
            writable=map(Path, (*_DEVICES, *policy.writable)),
        )
    except KernelError:
        missing.append("files" if LINUX else "files and network")
    try:
        restrict_calls()
    except KernelError:
        if LINUX:
            missing.append("network and system calls")
    return missing
