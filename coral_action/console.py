"""How errors and progress reach a person: on a terminal, in a log, or in a runner's log."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console

from coral_action.errors import CoralQuantizeError, troubleshooting
from coral_action.progress import BarProgress, LineProgress, Progress
from coral_action.report.foreign import harmless


@dataclass
class Settings:
    """What holds for every command."""

    debug: bool = False


def describe(error: CoralQuantizeError, *, debug: bool, name: str = "") -> str:
    """An error as the user sees it: what and why, what to do, and all the rest with `debug`."""
    lines = [f"error: {name + ': ' if name else ''}{error.message}"]
    if error.hint:
        lines.append(f"  {error.hint}")
    lines.append(f"  see {troubleshooting(error.topic)}")
    if debug and error.details:
        lines.append(error.details)
    # A terminal and a runner's log both obey what stands in them; details come from anywhere.
    return "\n".join(harmless(line) for line in "\n".join(lines).splitlines())


def show_sandbox(stream: TextIO) -> None:
    """Say how strong the sandbox is even where nothing is wrong with it: a line for each kind."""
    import logging

    logger = logging.getLogger("coral_action.sandbox")
    logger.addHandler(logging.StreamHandler(stream))
    logger.setLevel(logging.DEBUG)
    logger.propagate = False


def choose_progress(*, quiet: bool, together: bool = False) -> Progress:
    """Bars on a terminal, lines elsewhere, nothing when quiet; always on standard error.

    `together`: models are made at the same time, and their lines must not mix.
    """
    if quiet:
        return Progress()
    if sys.stderr.isatty():
        return BarProgress(Console(stderr=True))
    return LineProgress(sys.stderr, together=together)
