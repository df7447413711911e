"""What tests share beside fixtures: how a command is started and what it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


Command = Callable[..., Finished]


@dataclass(frozen=True)
class DemoRun:
    """The main job on the example, run once for all tests that look at its result.

    `cache` is what it left in a cache that was empty: tests copy it.
    """

    output: Path
    cache: Path
    finished: Finished
    report: dict[str, Any]
