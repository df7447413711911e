"""How a child process ended: a result, or an error of one line. Nothing it left is believed."""

from __future__ import annotations

import contextlib
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.errors import CoralQuantizeError, StageCrashError, error_classes
from coral_action.output_files import open_regular, take_file
from coral_action.sandbox import Limits
from coral_action.watching import MAX_PROCESSES, OUT_OF_TIME, TOO_MANY_PROCESSES

Json = dict[str, Any]

RESULT_FILE = "result.json"
OUT_OF_MEMORY = "memory"
# A sample takes some 13 elements and 200 bytes; an element takes up to 230 in memory.
_MAX_RESULT_BYTES = 128 * 2**20
_MAX_ELEMENTS = 8_000_000

_ENDED_ITSELF = (
    "a library, or a `python:` function of yours, ended the process itself (os._exit); --debug "
    "shows what was printed last"
)


@dataclass(frozen=True)
class Ending:
    """A child that has ended.

    Attributes:
        folder: a descriptor of its scratch folder.
        returncode: as `subprocess` has it.
        stopped: why the parent stopped it; "" if it did not.
        output: the end of what it printed.
        stage: the user's word for what it did.
        limits: what it was held to.
    """

    folder: int
    returncode: int
    stopped: str
    output: str
    stage: str
    limits: Limits

    def collect(self, outputs: Mapping[str, Path]) -> Json:
        """Its result; the files it made become those that `outputs` names.

        Raises:
            CoralQuantizeError: the error that the task raised.
            StageCrashError: if there is no result, or not the files that belong to it.
        """
        result = self._result()
        try:
            for key, target in outputs.items():
                name = Path(output_name(key, target))
                take_file(name, target, self.limits.file_bytes, self.folder)
        except OSError as error:
            raise StageCrashError(
                f"{self.stage} left no file that can be taken ({error})", details=self.output
            ) from error
        return result

    def _result(self) -> Json:
        if self.stopped:
            raise self._stopped()
        reply = self._reply()
        if isinstance(reply.get("error"), dict):
            raise self._error(reply["error"])
        if self.returncode == 0 and isinstance(reply.get("result"), dict):
            return dict(reply["result"])
        hint = "" if self.returncode < 0 else _ENDED_ITSELF
        raise StageCrashError(self._crash(), hint=hint, details=self.output)

    def _stopped(self) -> StageCrashError:
        why, hint = {
            OUT_OF_TIME: (
                f"took longer than {self.limits.seconds:g} seconds",
                "a smaller model or fewer samples need less time",
            ),
            TOO_MANY_PROCESSES: (
                f"started more than {MAX_PROCESSES} processes",
                "a function of yours can do with fewer",
            ),
        }[self.stopped]
        return StageCrashError(
            f"{self.stage} {why} and was stopped",
            hint=hint,
            details=self.output,
            topic="out-of-time",
        )

    def _reply(self) -> Json:
        """What the child answered; nothing, where it is not what a child writes."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            with open_regular(Path(RESULT_FILE), _MAX_RESULT_BYTES, self.folder) as file:
                content = file.read(_MAX_RESULT_BYTES)
            self._refuse_many(content)
            reply = json.loads(content)
            return reply if isinstance(reply, dict) else {}
        return {}

    def _refuse_many(self, content: bytes) -> None:
        """A few bytes can unfold to a hundred times as many, and it is the parent's memory."""
        if sum(map(content.count, (b"{", b"[", b","))) > _MAX_ELEMENTS:
            raise StageCrashError(
                f"{self.stage} left a result of more than {_MAX_ELEMENTS:,} elements",
                hint="fewer samples (`samples`) make it smaller",
                details=self.output,
            )

    def _crash(self) -> str:
        if self.returncode >= 0:
            return f"{self.stage} ended with status {self.returncode} and no result"
        try:
            name = signal.Signals(-self.returncode).name
        except ValueError:
            name = f"signal {-self.returncode}"
        why = {
            "SIGKILL": "most often for lack of memory",
            "SIGSEGV": "TensorFlow crashed: the file is damaged or holds what it can't handle",
            "SIGABRT": "TensorFlow gave up: out of memory, or a file that it can't handle",
            "SIGXFSZ": "it wrote more than it may",
            "SIGSYS": "it made a system call of another kind of machine",
        }.get(name, "it was stopped")
        return f"{self.stage} died with {name} ({why})"

    def _error(self, error: Json) -> CoralQuantizeError:
        details = f"{error.get('traceback', '')}\n{self.output}"
        message = str(error.get("message", ""))
        if error.get("kind") == OUT_OF_MEMORY:
            return StageCrashError(
                f"{self.stage} needed more than {self.limits.memory_bytes / 2**30:.3g} GiB of "
                "memory",
                hint="the file is damaged, or the model is too large for the Edge TPU as well",
                details=details,
                topic="out-of-memory",
            )
        cls = error_classes().get(str(error.get("kind")))
        if cls is not None:
            hint, topic = str(error.get("hint", "")), str(error.get("topic", ""))
            return cls(message, hint=hint, details=details, topic=topic)
        return StageCrashError(
            f"{self.stage} failed: {message}",
            hint="run again with --debug to see the whole traceback",
            details=details,
        )


def output_name(key: str, target: Path) -> str:
    """The name in the scratch folder of what a child makes for `target`."""
    return f"{key}-{target.name}"
