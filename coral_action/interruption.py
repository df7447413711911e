"""Ctrl-C and SIGTERM: children end at once, what is finished is kept, and the exit code says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from coral_action.children import CHILDREN

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_EXIT_BASE = 128  # as a shell reports a signal: 130 for Ctrl-C, 143 for SIGTERM


class Interruption:
    """Whether a signal came."""

    def __init__(self) -> None:
        """None came yet."""
        self.number = 0

    @property
    def exit_code(self) -> int | None:
        """The exit code of an interrupted run; None if no signal came."""
        return _EXIT_BASE + self.number if self.number else None


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Inside, the first signal ends all children and lets the run come to its end, which is near.

    The second one ends this process as if nothing had been arranged. Signals reach the main thread
    only; in another one nothing is arranged.
    """
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        interruption.number = number
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        CHILDREN.stop(signal.Signals(number).name)

    for number in _SIGNALS:
        signal.signal(number, handle)
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        CHILDREN.allow()
