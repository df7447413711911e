"""One policy for a child process, and applying it in the right order."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from coral_action.sandbox.kernel import LINUX, KernelError
from coral_action.sandbox.landlock import restrict_files
from coral_action.sandbox.namespaces import leave_network
from coral_action.sandbox.policy import Policy, without_git
from coral_action.sandbox.process import (
    be_killed_first,
    can_choose_capabilities,
    capabilities,
    close_descriptors,
    die_with_parent,
    drop_capabilities,
    drop_privileges,
    hide_from_children,
    limit,
    unreadable,
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
# container has the stronger one only.
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
    identity = _choose_identity(policy, files)
    _restrict_files(files, strength)
    kept = _become(identity, policy, strength)
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
        self.writable = [*_DEVICES, *policy.writable, *policy.shared]
        self.listable = list(policy.listable)
        libraries = os.environ.get("LD_LIBRARY_PATH", "").split(":")
        for folder in filter(None, (*sys.path, *libraries)):
            # A program that is started from its repository, which holds a checkout's token.
            if Path(folder, ".git").exists():
                self.readable += map(str, without_git(Path(folder)))
                self.listable.append(folder)
            else:
                self.readable.append(folder)

        self.job = _existing(policy.readable)
        self.program = _existing((*policy.runnable, *sys.path, sys.executable, os.__file__))


def _existing(paths: Iterable[str]) -> list[Path]:
    return [Path(path) for path in paths if path and os.path.exists(path)]  # noqa: PTH110


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


@dataclass(frozen=True)
class _Identity:
    user: int
    group: int
    capability: int = 0  # that it can't do without


def _choose_identity(policy: Policy, files: _Files) -> _Identity | None:
    """Who the child will be; None where it stays who it is.

    It is the policy's user, unless the job's files are for their owner alone: then it is the owner.
    Where even this program is for its owner alone, it takes a capability to read along.
    """
    if policy.user is None or policy.group is None:
        return None
    user, group = policy.user, policy.group
    if (path := unreadable(user, group, files.job)) is not None:
        owner = path.stat()
        user, group = owner.st_uid, owner.st_gid
    kept: int | None = 0
    if unreadable(user, group, files.program) is not None:
        kept = _reading_capability()
    if user == 0 or kept is None:
        _own(policy, 0, 0)
        return None
    _own(policy, user, group)
    return _Identity(user, group, kept)


def _reading_capability() -> int | None:
    """The weakest capability at hand with which files can be read whatever their mode."""
    held = capabilities() if can_choose_capabilities() else 0
    return next((c for c in (_DAC_READ_SEARCH, _DAC_OVERRIDE) if held & c), None)


def _own(policy: Policy, user: int, group: int) -> None:
    """Give the child's own folders, which were the policy's user's, to who it is in the end."""
    for folder in policy.writable:
        os.chown(folder, user, group)


def _become(identity: _Identity | None, policy: Policy, strength: Strength) -> int:
    """Become another user where one was chosen; the capabilities that are kept."""
    if identity is None:
        if not LINUX or os.geteuid() != 0:
            return 0
        strength.miss("user")
        # Without it, root could not read what belongs to others, such as a mounted folder.
        return (_reading_capability() or 0) if "/" in policy.readable else 0
    try:
        drop_privileges(identity.user, identity.group, keep_capabilities=identity.capability != 0)
    except OSError:
        _own(policy, 0, 0)
        strength.miss("user")
        return 0
    strength.hold("user")
    return identity.capability
