"""Temporary folders that the next run removes if this one can't, because it was killed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path

_NAME = re.compile(r"coral-(?:[a-z]+-)?(\d+)-(\d+)-\w+")


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary folder named after its process, and locked as long as that lives.

    Used like `tempfile.TemporaryDirectory`. What can't be removed at the end is left to the system.
    """

    def __init__(self, what: str = "") -> None:
        """Make the folder; `what`, in small letters, is for people who look for it."""
        super().__init__(prefix=_prefix(what), ignore_cleanup_errors=True)
        # The kernel lets go of the lock however the process ends; children don't inherit it.
        self._lock = os.open(self.name, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        """Remove the folder."""
        super().cleanup()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def remove_stale(folder: Path | None = None) -> list[Path]:
    """Remove scratch folders of runs that ended without doing so; returns what was found.

    Only folders of this user (root gives some to its children's users), and none whose process
    lives or whose lock is held: a process in another container, which shares the temporary folder,
    has a number that means nothing here.
    """
    found = []
    for entry in os.scandir(folder or tempfile.gettempdir()):
        match = _NAME.fullmatch(entry.name)
        if match is not None and not _lives(int(match[1]), match[2]) and _is_abandoned(entry.path):
            shutil.rmtree(entry.path, ignore_errors=True)
            found.append(Path(entry.path))
    return found


def process_mark() -> str:
    """`<pid>-<start>` of this process: no other process has the same before the next boot."""
    return f"{os.getpid()}-{_start_of(os.getpid())}"


def is_left_over(mark: str) -> bool:
    """Whether a `process_mark` is that of a process that is gone."""
    pid, _, start = mark.partition("-")
    return pid.isdigit() and not _lives(int(pid), start)


@cache
def _prefix(what: str) -> str:
    return f"coral-{what + '-' if what else ''}{process_mark()}-"


def _start_of(pid: int) -> str:
    """When a process began, in clock ticks since the boot (proc(5), field 22); "0" if not known."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return "0"
    return fields[19].decode()


def _lives(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return _start_of(pid) == start


def _is_abandoned(path: str) -> bool:
    with contextlib.suppress(OSError):
        status = os.lstat(path)
        if not stat.S_ISDIR(status.st_mode) or os.geteuid() not in (status.st_uid, 0):
            return False
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        finally:
            os.close(held)
    return False
