"""Which files a process may read and write, by the kernel's Landlock (landlock(7), Linux 5.13).

Beside files it keeps the process from tracing or signalling others outside of the sandbox, and
from reading their /proc entries.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from coral_action.sandbox.kernel import (
    LANDLOCK_ADD_RULE,
    LANDLOCK_CREATE_RULESET,
    LANDLOCK_RESTRICT_SELF,
    PR_SET_NO_NEW_PRIVS,
    number,
    prctl,
    syscall,
)

_VERSION = 1  # LANDLOCK_CREATE_RULESET_VERSION
_PATH_BENEATH = 1  # LANDLOCK_RULE_PATH_BENEATH

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_TRUNCATE = 1 << 14
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | 1 << 15
_READ = _READ_FILE | _READ_DIR
# All rights that a version of Landlock knows: 13 at first, then refer, truncate, ioctl on devices.
_KNOWN = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST = (1 << 16) - 1
_TCP = 0b11  # bind and connect, from version 4
_SCOPES = 0b11  # abstract sockets and signals, from version 6


def restrict_files(
    *,
    readable: Iterable[Path],
    runnable: Iterable[Path],
    writable: Iterable[Path],
    listable: Iterable[Path] = (),
) -> None:
    """From here on, only these files and folders can be opened; also by all that is started.

    Args:
        readable: may be read, with all below.
        runnable: may be read and executed, with all below.
        writable: may be read, written, made and removed, with all below; not executed.
        listable: folders whose names may be listed, with all below; not read.

    Raises:
        KernelError: if the kernel has no Landlock.
    """
    version = syscall(LANDLOCK_CREATE_RULESET, None, number(0), number(_VERSION))
    handled = _KNOWN.get(version, _NEWEST)
    fields = [handled]
    if version >= 4:
        fields.append(_TCP)
    if version >= 6:
        fields.append(_SCOPES)
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset = syscall(LANDLOCK_CREATE_RULESET, attributes, number(len(attributes)), number(0))
    try:
        for paths, rights in (
            (readable, _READ),
            (runnable, _READ | _EXECUTE),
            (writable, handled & ~_EXECUTE),
            (listable, _READ_DIR),
        ):
            for path in paths:
                _allow(ruleset, path, rights & handled)
        prctl(PR_SET_NO_NEW_PRIVS, number(1))
        syscall(LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), number(0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, rights: int) -> None:
    """Add one path; what does not exist needs no rule."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            rule = struct.pack("=Qi", rights, descriptor)
            syscall(
                LANDLOCK_ADD_RULE, ctypes.c_int(ruleset), number(_PATH_BENEATH), rule, number(0)
            )
        finally:
            os.close(descriptor)
