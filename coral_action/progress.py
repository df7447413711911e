"""Progress that people see: bars on a terminal, timed lines and groups in CI, or nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

Advance = Callable[[int, int], None]


class Progress:
    """Says nothing; the other kinds override what they show."""

    @contextmanager
    def model(self, name: str) -> Iterator[None]:
        """Around all the work on one model."""
        yield

    @contextmanager
    def stage(self, model: str, stage: str) -> Iterator[Advance]:
        """Around one stage; call what it yields with (done, total)."""
        yield lambda done, total: None

    def unchanged(self, model: str, stage: str) -> None:
        """A stage whose result an earlier run left in the cache."""

    def warning(self, text: str) -> None:
        """What people should know before anything is made; one line, nothing foreign in it."""


class BarProgress(Progress):
    """A bar for each running stage on a terminal, a timed line for each finished one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._bars = Bars(*columns, console=console, transient=True)

    @contextmanager
    def stage(self, model: str, stage: str) -> Iterator[Advance]:
        """A bar that moves on as the stage does and leaves a timed line."""
        started = time.monotonic()
        if not self._bars.live.is_started:
            self._bars.start()
        task = self._bars.add_task(f"{model}: {stage}", total=None)
        try:
            yield lambda done, total: self._bars.update(task, completed=done, total=total)
            self._console.print(
                f"{model}: {stage} [dim]{time.monotonic() - started:.1f} s[/dim]", highlight=False
            )
        finally:
            self._bars.remove_task(task)
            if not self._bars.tasks:
                self._bars.stop()

    def unchanged(self, model: str, stage: str) -> None:
        """A line."""
        self._console.print(f"{model}: {stage} [dim]unchanged, from cache[/dim]", highlight=False)

    def warning(self, text: str) -> None:
        """A line."""
        self._console.print(f"warning: {text}", highlight=False, markup=False)


class LineProgress(Progress):
    """Timed lines for a log; each model is one group where the log knows groups.

    With `together`, models are made at the same time: the lines of each are held back until it is
    done, and then come in one piece.
    """

    def __init__(
        self,
        stream: TextIO,
        group: Callable[[str], AbstractContextManager[None]] | None = None,
        *,
        together: bool = False,
    ) -> None:
        self._stream = stream
        self._group = group or (lambda name: nullcontext())
        self._held: dict[str, list[str]] | None = {} if together else None
        self._lock = threading.Lock()

    @contextmanager
    def model(self, name: str) -> Iterator[None]:
        """A group of its own."""
        if self._held is None:
            with self._group(name):
                yield
            return
        self._held[name] = []
        try:
            yield
        finally:
            with self._lock, self._group(name):
                print("\n".join(self._held.pop(name)), file=self._stream, flush=True)

    @contextmanager
    def stage(self, model: str, stage: str) -> Iterator[Advance]:
        """A line with the time when the stage is done, and one every 30 seconds until then."""
        started = spoken = time.monotonic()

        def advance(done: int, total: int) -> None:
            nonlocal spoken
            if time.monotonic() - spoken > 30:
                spoken = time.monotonic()
                self._print(f"{model}: {stage} {done} of {total}")

        yield advance
        self._say(model, f"{stage} {time.monotonic() - started:.1f} s")

    def unchanged(self, model: str, stage: str) -> None:
        """A line."""
        self._say(model, f"{stage} unchanged, from cache")

    def warning(self, text: str) -> None:
        """A line."""
        self._print(f"warning: {text}")

    def _say(self, model: str, what: str) -> None:
        if self._held is not None and model in self._held:
            self._held[model].append(f"{model}: {what}")
        else:
            self._print(f"{model}: {what}")

    def _print(self, line: str) -> None:
        with self._lock:
            print(line, file=self._stream, flush=True)
