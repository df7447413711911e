"""One policy for a child process, and applying it in the right order."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

from coral_action.sandbox.kernel import LINUX, KernelError
from coral_action.sandbox.landlock import restrict_files
from coral_action.sandbox.namespaces import leave_network
from coral_action.sandbox.policy import Policy, without_git
from coral_action.sandbox.process import (
    be_killed_first,
    can_read,
    capabilities,
    close_descriptors,
    die_with_parent,
    drop_capabilities,
    drop_privileges,
    hide_from_children,
    limit,
)
from coral_action.sandbox.seccomp import restrict_calls
from coral_action.sandbox.strength import Strength

# What Python, TensorFlow and the compiler read of the system: no home, nothing of the runner.
_SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/nix/store",
    "/gnu/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/nsswitch.conf",
    "/etc/passwd",
)
# Of /proc, what concerns this process or nobody. The folder of a child's own children has another
# number, so they do without.
_READ_ONLY = (
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/loadavg",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom",
    "/dev/random",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/full")
# Capabilities to read files whatever their mode, the weaker one first (linux/capability.h); a
# container has the other one only.
_DAC_READ_SEARCH, _DAC_OVERRIDE = 1 << 2, 1 << 1


def apply(policy: Policy, kept_descriptors: frozenset[int] = frozenset()) -> Strength:
    """Give up everything that the policy does not grant, for good; must come before any thread.

    Returns:
        Which defences hold now, and which this machine does not have.
    """
    close_descriptors(kept_descriptors)
    os.umask(0o022)  # what a child leaves is read by others
    be_killed_first()
    strength = Strength()
    counted_alone = _leave_network(strength)
    files = _Files(policy)
    unreadable = policy.user is not None and not files.readable_by(policy)
    _restrict_files(files, strength)
    kept = _become(policy, strength, needs_to_read=unreadable)
    try:
        drop_capabilities(kept)
        strength.hold("capabilities")
    except KernelError:
        strength.miss("capabilities")
    if policy.processes is not None and (counted_alone or "user" in strength.held):
        limit(resource.RLIMIT_NPROC, policy.processes)
    # After the change of user, which resets both.
    die_with_parent()
    hide_from_children()
    try:
        restrict_calls()
        strength.hold("calls")
    except KernelError:
        strength.miss("calls")
    return strength


class _Files:
    """All paths of a policy, with those of the system and of this program."""

    def __init__(self, policy: Policy) -> None:
        package = str(Path(__file__).resolve().parents[1])
        self.readable = [*_READ_ONLY, package, *policy.readable]
        self.runnable = [*_SYSTEM, sys.prefix, sys.base_prefix, *policy.runnable]
        self.writable = [*_DEVICES, *policy.writable]
        self.listable = list(policy.listable)
        libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        for folder in filter(None, (*sys.path, *libraries)):
            # A program that is started from its repository, which holds a checkout's token.
            if Path(folder, ".git").exists():
                self.readable += map(str, without_git(Path(folder)))
                self.listable.append(folder)
            else:
                self.readable.append(folder)

    def readable_by(self, policy: Policy) -> bool:
        """Whether the policy's user can read what only some users may be able to."""
        asked = [*policy.readable, *policy.runnable, *sys.path, sys.executable, os.__file__]
        existing = [Path(path) for path in asked if path and os.path.exists(path)]  # noqa: PTH110
        return can_read(policy.user or 0, policy.group or 0, existing)


def _leave_network(strength: Strength) -> bool:
    try:
        counted_alone = leave_network()
    except KernelError:
        strength.miss("network")
        return False
    strength.hold("network")
    return counted_alone


def _restrict_files(files: _Files, strength: Strength) -> None:
    def paths(values: Iterable[str]) -> Iterable[Path]:
        return map(Path, dict.fromkeys(values))

    try:
        restrict_files(
            readable=paths(files.readable),
            runnable=paths(files.runnable),
            writable=paths(files.writable),
            listable=paths(files.listable),
        )
        strength.hold("files")
    except KernelError:
        strength.miss("files")


def _become(policy: Policy, strength: Strength, *, needs_to_read: bool) -> int:
    """Become the policy's user; the capabilities that this child can't do without.

    Where files are for their owner alone, a user that is not the owner needs one to read them.
    """
    if policy.user is None or policy.group is None:
        if LINUX and os.geteuid() == 0:
            strength.miss("user")
        return 0
    held = capabilities()
    kept = next((c for c in (_DAC_READ_SEARCH, _DAC_OVERRIDE) if held & c), 0)
    kept = kept if needs_to_read else 0
    try:
        if needs_to_read and not kept:
            raise PermissionError("the other user could not read the job's files")
        drop_privileges(policy.user, policy.group, keep_capabilities=bool(kept))
        strength.hold("user")
    except OSError:  # such as a number that this container's users do not reach to
        strength.miss("user")
        return 0
    return kept
