"""Waiting for a child process: its progress, its time, how many it becomes, and its end."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coral_action.sandbox import CANT_START, Strength, note

ProgressCallback = Callable[[int, int], None]

# A child that starts more processes than this at a time is out of hand.
MAX_PROCESSES = 512
OUT_OF_TIME = "time"
TOO_MANY_PROCESSES = "processes"
_TICK_SECONDS = 0.2
_MAX_LINE_BYTES = 1024


@dataclass(frozen=True)
class Watched:
    """What there is to say of a child, beside its status.

    Attributes:
        stopped: why it has to be stopped: `OUT_OF_TIME`, `TOO_MANY_PROCESSES`; "" if it has ended.
        cant_start: the error number for which a program could not be started; 0 for none.
    """

    stopped: str
    cant_start: int


def watch(
    child: subprocess.Popen[bytes],
    read_end: int,
    seconds: float,
    on_progress: ProgressCallback | None = None,
) -> Watched:
    """Wait for a child, passing its progress on.

    Args:
        child: leader of its process group.
        read_end: of the pipe to which it writes its `Strength`, then lines "done total".
        seconds: how long it may take.
        on_progress: called with (done, total).
    """
    deadline = time.monotonic() + seconds
    crowd = _Crowd(child.pid)
    lines = _Lines(on_progress)
    open_pipe = True
    while child.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return Watched(OUT_OF_TIME, 0)
        if crowd.is_too_large():
            return Watched(TOO_MANY_PROCESSES, 0)
        tick = min(left, _TICK_SECONDS)
        if not open_pipe:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(tick)
        elif select.select([read_end], [], [], tick)[0]:
            open_pipe = lines.read(read_end)
    while open_pipe and select.select([read_end], [], [], 0)[0]:
        open_pipe = lines.read(read_end)
    return Watched("", lines.cant_start)


class _Lines:
    """What comes out of the pipe: the sandbox's strength first, before the task runs."""

    def __init__(self, on_progress: ProgressCallback | None) -> None:
        self._on_progress = on_progress
        self._pending = b""
        self._first = True
        self.cant_start = 0

    def read(self, descriptor: int) -> bool:
        """Take what is there; False at the end."""
        chunk = os.read(descriptor, 65536)
        *lines, self._pending = (self._pending + chunk).split(b"\n")
        self._pending = self._pending[-_MAX_LINE_BYTES:]
        if lines and self._first:
            self._first = False
            strength = Strength.from_line(lines.pop(0))
            if strength is not None:
                note(strength)
        self._pass_on(lines)
        return bool(chunk)

    def _pass_on(self, lines: list[bytes]) -> None:
        words = lines[-1].split() if lines else []
        if len(words) != 2 or not words[1].isdigit() or len(words[1]) > 9:
            return
        if words[0] == CANT_START:
            self.cant_start = int(words[1])
        elif self._on_progress is not None and words[0].isdigit() and len(words[0]) < 10:
            self._on_progress(int(words[0]), int(words[1]))


class _Crowd:
    """How many processes there are in a group; asking costs a few microseconds as a rule."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._before = _entities()

    def is_too_large(self) -> bool:
        """Whether there are more than `MAX_PROCESSES`; counted when the whole machine has more."""
        if _entities() - self._before < MAX_PROCESSES:
            return False
        return sum(_group_of(path) == self._group for path in Path("/proc").iterdir()) > (
            MAX_PROCESSES
        )


def _entities() -> int:
    """Processes and threads of the machine, which /proc/loadavg has after a slash."""
    try:
        return int(Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[1])
    except (OSError, IndexError, ValueError):
        return 0


def _group_of(process: Path) -> int | None:
    """The process group of an entry of /proc; None where it is no process, or gone."""
    if not process.name.isdigit():
        return None
    try:
        # The command's name, in parentheses, may hold anything.
        return int((process / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return None
