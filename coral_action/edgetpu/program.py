"""The compiler as a program: starting it, and whether it works at all, which its version shows."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from coral_action.edgetpu.compiled_files import KEPT_OUTPUT_BYTES
from coral_action.edgetpu.log import parse_log
from coral_action.errors import CompilerError
from coral_action.isolation import ProgramResult, Reading, run_program

ELSEWHERE = (
    "run on an x86-64 machine (ubuntu-latest does), in a container with "
    "`--platform linux/amd64`, or pass `--compiler none` to predict the placement"
)
_BROKEN = (
    "is it the compiler, whole, for this machine, and with its libraries beside it? `--version` "
    "has to print its version; `coral-quantize compiler install --accept-terms` gets one, "
    "`--compiler none` does without"
)
_MACHINES = ("x86_64", "amd64")
_VERSION_SECONDS = 20
_SHOWN = 200  # characters of a line


def is_elsewhere() -> bool:
    """Whether this is a kind of machine for which there is no compiler."""
    return platform.machine().lower() not in _MACHINES


def compiler_version(compiler: Path) -> str:
    """What `--version` says, such as 16.0.384591198; "unknown" where it says nothing.

    Raises:
        CompilerError: if the program can't be started, or fails without saying its version.
    """
    try:
        changed = compiler.stat().st_mtime_ns
    except OSError:
        changed = 0
    return _version_of(compiler, changed)


@lru_cache(maxsize=8)
def _version_of(compiler: Path, changed: int) -> str:
    """Asked once for each state of the program (`changed` is when it was last written)."""
    result = start([str(compiler), "--version"], _VERSION_SECONDS)
    version = parse_log(result.output).version
    # Without this, what is wrong with the program would be searched for in the model.
    if version is None and result.returncode != 0 and not result.timed_out:
        said = telling_line(result.output.splitlines()) or "it said nothing"
        raise CompilerError(
            f"{compiler} does not work: `--version` ended with status {result.returncode} ({said})",
            hint=ELSEWHERE if is_elsewhere() else _BROKEN,
            details=result.output,
            topic="compiler-does-not-work",
        )
    return version or "unknown"


def start(
    command: Sequence[str],
    seconds: float,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
) -> ProgramResult:
    """Run the compiler, whatever its end.

    Raises:
        CompilerError: if it can't be started.
    """
    try:
        return run_program(
            command,
            seconds=seconds,
            keep_bytes=KEPT_OUTPUT_BYTES,
            reading=Reading(tuple(readable)),
            writable=writable,
        )
    except OSError as error:
        raise CompilerError(
            f"{command[0]} can't be started on this {platform.machine()} machine: {error.strerror}",
            hint=ELSEWHERE if is_elsewhere() else "is it the program, and executable?",
        ) from error


def telling_line(lines: Sequence[str]) -> str:
    """The line that tells most of what nobody knows: the first, or the end of a traceback."""
    words = [line.strip() for line in lines if line.strip()]
    if not words:
        return ""
    at = -1 if words[0].startswith("Traceback (most recent call last)") else 0
    return words[at][:_SHOWN]
