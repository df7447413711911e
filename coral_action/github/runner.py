"""What a job tells the runner: outputs, the summary, groups, masks and annotations in its log.

Outside of a runner all of it does nothing.
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from coral_action.errors import UsageError
from coral_action.report.foreign import LINE_CHARACTERS, harmless, shown, without_command
from coral_action.report.notices import Notice

_ANNOTATIONS = 10  # of each level, of one step: the runner drops the rest
_MESSAGE_CHARACTERS = 4_000  # of 4,096


class Runner:
    """The runner that started this process, spoken to by one stream and some files."""

    def __init__(self, environment: Mapping[str, str], stream: TextIO) -> None:
        self._environment = environment
        self._stream = stream
        self._shown = dict.fromkeys(("error", "warning", "notice"), 0)
        self._lock = threading.Lock()
        self.is_there = environment.get("GITHUB_ACTIONS") == "true"
        self.debug = environment.get("RUNNER_DEBUG") == "1"

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set the outputs of the step.

        Each value stands between random delimiters, so that no value can pass for another output.

        Raises:
            UsageError: if the runner's file can't be written.
        """
        lines = []
        for name, value in outputs.items():
            delimiter = f"coral_{secrets.token_hex(16)}"
            lines += [f"{name}<<{delimiter}", value, delimiter]
        self._append("GITHUB_OUTPUT", "".join(f"{line}\n" for line in lines))

    def write_summary(self, markdown: str) -> None:
        """Add to the summary of the job; the caller keeps it below 1 MiB.

        Raises:
            UsageError: if the runner's file can't be written.
        """
        self._append("GITHUB_STEP_SUMMARY", markdown)

    @contextmanager
    def group(self, name: str) -> Iterator[None]:
        """A group of lines that can be folded."""
        self._command("group", name)
        try:
            yield
        finally:
            self._command("endgroup", "")

    def mask(self, secret: str) -> None:
        """Have the runner replace a value by *** in all that is logged from now on."""
        for line in secret.splitlines():
            if line.strip():
                self._write_command("add-mask", line.replace("%", "%25"))  # to the letter

    def annotate(self, notices: Iterable[Notice]) -> None:
        """Annotations, as many as the runner shows: so the most useful ones come first."""
        for notice in notices:
            if self._shown[notice.level] < _ANNOTATIONS:
                self._shown[notice.level] += 1
                message = notice.message[:_MESSAGE_CHARACTERS]
                place = {"file": notice.file, "line": str(notice.line)} if notice.file else {}
                self._command(notice.level, message, **place, title=notice.title)

    @contextmanager
    def foreign_output(self) -> Iterator[None]:
        """Around lines that come from elsewhere: no command in them has any effect."""
        token = secrets.token_hex(16)
        self._command("stop-commands", token)
        try:
            yield
        finally:
            self._command(token, "")

    def say(self, text: str) -> None:
        """Lines for people; what could be a command in them is none. Also outside of a runner."""
        with self._lock:
            for line in re.split(r"\r\n|\r|\n", text.removesuffix("\n")):
                print(harmless(line) if self.is_there else line, file=self._stream, flush=True)

    def _command(self, name: str, data: str, **properties: str) -> None:
        given = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items())
        self._write_command(f"{name}{' ' + given if given else ''}", escape(data))

    def _write_command(self, name: str, data: str) -> None:
        if self.is_there:
            with self._lock:
                print(f"::{name}::{data}", file=self._stream, flush=True)

    def _append(self, variable: str, text: str) -> None:
        path = self._environment.get(variable)
        if not path:
            return
        try:
            self._write(Path(path), text.encode())
        except OSError as error:
            raise UsageError(
                f"${variable}: {path} can't be written: {error.strerror}",
                hint="is the runner's disk full?",
            ) from error

    def _write(self, path: Path, data: bytes) -> None:
        """All or nothing: half an output would be read as something else."""
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            before = os.fstat(descriptor).st_size
            try:
                while data:
                    data = data[os.write(descriptor, data) :]
            except OSError:
                with suppress(OSError):  # not everything that can be written can be shortened
                    os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)


def escape(value: str) -> str:
    """Data of a workflow command: no line break, no `##[` command inside."""
    lines = re.split(r"\r\n|\r|\n", value[:LINE_CHARACTERS])
    return "%0A".join(without_command(shown(line).replace("%", "%25")) for line in lines)


def _escape_property(value: str) -> str:
    return escape(value).replace(":", "%3A").replace(",", "%2C")
