"""Calls of the Linux kernel that Python has no function for."""

from __future__ import annotations

import ctypes
import os
import sys

# asm-generic numbers, the same on x86-64 and arm64.
LANDLOCK_CREATE_RULESET = 444
LANDLOCK_ADD_RULE = 445
LANDLOCK_RESTRICT_SELF = 446

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_KEEPCAPS = 8
PR_SET_SECCOMP = 22
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2

LINUX = sys.platform == "linux"


class KernelError(OSError):
    """The kernel refused a call, or is none that knows it."""


def _libc() -> ctypes.CDLL:
    if not LINUX:
        raise KernelError("not Linux")
    return ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: object) -> None:
    """`prctl(2)`.

    Raises:
        KernelError: if the kernel refuses.
    """
    padded = [*arguments, *([ctypes.c_ulong(0)] * (4 - len(arguments)))]
    if _libc().prctl(ctypes.c_int(option), *padded) != 0:
        raise KernelError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def unshare(flags: int) -> None:
    """`unshare(2)`.

    Raises:
        KernelError: if the kernel refuses.
    """
    if _libc().unshare(ctypes.c_int(flags)) != 0:
        raise KernelError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def syscall(number: int, *arguments: object) -> int:
    """A system call by number; its result.

    Raises:
        KernelError: if the kernel refuses.
    """
    function = _libc().syscall
    function.restype = ctypes.c_long
    result = int(function(ctypes.c_long(number), *arguments))
    if result < 0:
        raise KernelError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def number(value: int) -> ctypes.c_ulong:
    """An integer argument of full width."""
    return ctypes.c_ulong(value)
