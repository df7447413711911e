"""The child processes of this process: whose they are, what memory they take, ending them all."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from coral_action.errors import StoppedError

Child = subprocess.Popen[bytes]

# For whom children are started here: the name of a model. Hand it on to threads with the context.
owner: ContextVar[str] = ContextVar("owner", default="")

_SAMPLE_SECONDS = 0.1


class Children:
    """All children that run now. Thread-safe, and safe to be called from a signal handler."""

    def __init__(self) -> None:
        """None run yet."""
        self._lock = threading.RLock()  # a signal may come in the middle of `running`
        self._running: dict[Child, str] = {}
        self._stopped_by = ""
        self._peaks: dict[str, int] = {}
        self._meter: threading.Thread | None = None

    @property
    def stopped_by(self) -> str:
        """The name of the signal that ended everything; empty as long as none has."""
        return self._stopped_by

    @contextmanager
    def running(self, start: Callable[[], Child]) -> Iterator[Child]:
        """Start a child; on leaving, it and all that it started are ended.

        Raises:
            StoppedError: if everything was stopped, before or meanwhile.
        """
        with self._lock:
            self.check()
            child = start()
            self._running[child] = owner.get()
            self._measure()
        try:
            if self._stopped_by:  # the signal came while the child was started
                _kill(child)
            yield child
        finally:
            _kill(child)
            child.wait()
            with self._lock:
                del self._running[child]
        self.check()

    def check(self) -> None:
        """Go on only if nothing was stopped.

        Raises:
            StoppedError: if it was.
        """
        if self._stopped_by:
            raise StoppedError(f"stopped by {self._stopped_by} before it was done")

    def stop(self, name: str) -> None:
        """End all children, and let none be started any more; `name` is the signal's."""
        with self._lock:
            self._stopped_by = name
            for child in self._running:
                if child.returncode is None:
                    _kill(child)

    def allow(self) -> None:
        """Let children be started again, after `stop`."""
        self._stopped_by = ""

    def memory(self, name: str) -> int:
        """Bytes that the children of an owner take now."""
        with self._lock:
            return sum(_resident(child) for child, whose in self._running.items() if whose == name)

    def peak(self, name: str) -> int:
        """The most that the children of an owner took at a time, in bytes; 0 if not known.

        The sum of the peaks of those that ran side by side, looked at ten times a second; pages
        that they share count for each of them.
        """
        with self._lock:
            return self._peaks.get(name, 0)

    def _measure(self) -> None:
        if self._meter is None or not self._meter.is_alive():
            self._meter = threading.Thread(target=self._watch, name="memory", daemon=True)
            self._meter.start()

    def _watch(self) -> None:
        while True:
            with self._lock:
                if not self._running:
                    self._meter = None
                    return
                now: dict[str, int] = {}
                for child, whose in self._running.items():
                    now[whose] = now.get(whose, 0) + _resident(child, peak=True)
                for whose, taken in now.items():
                    self._peaks[whose] = max(self._peaks.get(whose, 0), taken)
            threading.Event().wait(_SAMPLE_SECONDS)


CHILDREN = Children()


def _kill(child: Child) -> None:
    """End the child and all that it started; the group outlives its leader.

    Nobody leaves the group: the sandbox makes setsid and setpgid do nothing. The kernel signals a
    group in one go, so that nobody can fork faster.
    """
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)


def _resident(child: Child, *, peak: bool = False) -> int:
    """Physical memory of a process in bytes, now or at most so far (proc(5), status)."""
    key = b"VmHWM:" if peak else b"VmRSS:"
    try:
        lines = Path(f"/proc/{child.pid}/status").read_bytes().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key)), 0)
