"""One tree of errors: each has an exit code, a cause in one line, and a hint on what to do next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from coral_action.findings import DOCUMENTATION, Finding

EXIT_OK = 0
EXIT_LIMIT_EXCEEDED = 1
EXIT_USAGE = 2
EXIT_MODEL = 3
EXIT_COMPILER = 4
EXIT_GITHUB = 5

# The worst of several exit codes wins, in this order (README, "Exit codes").
_WORST_FIRST = (EXIT_USAGE, EXIT_MODEL, EXIT_COMPILER, EXIT_GITHUB, EXIT_LIMIT_EXCEEDED)


class CoralQuantizeError(Exception):
    """Anything that is the user's to mend. `message` says what and why, `hint` what to do next.

    `topic` is the section of docs/troubleshooting.md that has more; without it, the one about all
    errors of this `kind`.
    """

    exit_code: ClassVar[int] = EXIT_MODEL
    kind: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: str = "",
        findings: Sequence[Finding] = (),
        topic: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details  # a traceback or tool output, shown with --debug only
        self.findings = tuple(findings)  # all that led to it, for the report
        self.topic = topic or f"{self.kind}-errors"


class ConfigError(CoralQuantizeError):
    """coral.yml is wrong."""

    exit_code = EXIT_USAGE
    kind = "config"


class UsageError(CoralQuantizeError):
    """An option, an input of the action, or this machine's set-up is wrong."""

    exit_code = EXIT_USAGE
    kind = "usage"


class ModelError(CoralQuantizeError):
    """A model file can't be read or converted."""

    kind = "model"


class DataError(CoralQuantizeError):
    """The representative dataset or the evaluation data can't be used."""

    kind = "data"


class DownloadError(CoralQuantizeError):
    """A file that coral.yml names by its address can't be had, or is another one."""

    kind = "download"


class QuantizationError(CoralQuantizeError):
    """The quantizer failed, or its result is not full-integer."""

    kind = "quantization"


class MergeError(CoralQuantizeError):
    """Partial reports of a model don't make a whole: a shard is missing, or there twice."""

    kind = "merge"


class StageCrashError(CoralQuantizeError):
    """A child process died, ran out of time, or failed in a way nobody foresaw."""

    kind = "crash"


class StoppedError(CoralQuantizeError):
    """Somebody stopped the run before this was done."""

    kind = "stopped"


class CompilerError(CoralQuantizeError):
    """The Edge TPU compiler failed."""

    exit_code = EXIT_COMPILER
    kind = "compiler"


class GitHubError(CoralQuantizeError):
    """GitHub could not be reached, or refused."""

    exit_code = EXIT_GITHUB
    kind = "github"


def troubleshooting(topic: str) -> str:
    """The address of a section of docs/troubleshooting.md."""
    return f"{DOCUMENTATION}troubleshooting.md#{topic}"


def error_classes() -> dict[str, type[CoralQuantizeError]]:
    """Every error class by its `kind`, to raise again what a child process reported."""
    return {cls.kind: cls for cls in CoralQuantizeError.__subclasses__()}


def worst_exit_code(codes: Iterable[int]) -> int:
    """The exit code of a run from those of its parts: 2, 3, 4, 5, 1, else 0."""
    seen = set(codes)
    return next((code for code in _WORST_FIRST if code in seen), EXIT_OK)
