"""The child processes that quantize one model, started before there is anything for them to do.

Starting Python and importing the interpreter and the quantizer takes 0.3 to 0.6 s. Loading the
model keeps one core busy, so the other can do that meanwhile.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coral_action.isolation import (
    Limits,
    ProgressCallback,
    Reading,
    run_isolated,
    scratch_folder,
)
from coral_action.output_files import open_regular
from coral_action.workers import core_count

Json = dict[str, Any]
# Children wait for the model to load; that time is not theirs.
_WAITING_SECONDS = 3600.0
_POLL_SECONDS = 0.01
# Of decoded images, in all workers: some 600 of 224 x 224 pixels.
_EARLY_BYTES = 128 * 2**20
_STAGES = {"observe": "calibration", "quantize": "quantization"}


class Crew:
    """Workers that observe, and one that quantizes; a context manager that ends them all.

    Each child reads the crew's folder, where requests and models are put for it, and writes into
    a folder of its own below it.
    """

    def __init__(
        self,
        workers: int,
        limits: Limits | None = None,
        reading: Reading | None = None,
        early: Json | None = None,
    ) -> None:
        """Start the children; they import what they need, decode images and wait.

        Args:
            workers: how many observe.
            limits: of each.
            reading: files that they may read, beside what `give` gives them.
            early: `calibration` and `paths` of the model, as plain data, if images may be decoded
                before its request comes.
        """
        limits = limits or Limits()
        self._limits = replace(limits, seconds=limits.seconds + _WAITING_SECONDS)
        self._stack = ExitStack()
        self.scratch = self._stack.enter_context(scratch_folder())
        self._reading = (reading or Reading()).and_also(self.scratch)
        for index in range(workers + 1):
            self.folder(index).mkdir()
        self._pool = ThreadPoolExecutor(workers + 1)
        self._progress: ProgressCallback | None = None
        self._parts = [(0, 0)] * workers
        self._needed = threading.Event()
        self._early = early
        self._count = workers
        self._workers = [self._start("observe", index) for index in range(workers)]
        self._quantizer = self._start("quantize", workers)

    @property
    def workers(self) -> int:
        """How many observe."""
        return self._count

    def begin(self, requests: Sequence[Json], on_progress: ProgressCallback | None) -> None:
        """Have each worker do its request."""
        self._progress = on_progress
        for index, request in enumerate(requests):
            self._send(index, request)

    def observed(self) -> list[Json]:
        """What the workers found, in the order of the requests.

        Raises:
            DataError: the first worker's, if several have one.
            StageCrashError: if a worker died.
        """
        return [future.result() for future in self._workers]

    def quantize(self, request: Json) -> Json:
        """Have the quantizer do its request."""
        self._send(self.workers, request)
        return self._quantizer.result()

    def folder(self, index: int) -> Path:
        """Where a child leaves its files: an observer by its index, the last is the quantizer."""
        return self.scratch / f"child-{index}"

    def give(self, path: Path) -> Path:
        """Put a file where the children can read it; where it is now."""
        if path.parent == self.scratch:
            return path
        return Path(shutil.copyfile(path, self.scratch / path.name))

    def made(self, name: str) -> bytes:
        """A file that the quantizer left in its folder.

        Raises:
            OSError: if it is not there, or is no plain file.
        """
        with open_regular(self.folder(self.workers) / name, self._limits.file_bytes) as file:
            return file.read()

    def __enter__(self) -> Self:
        """Nothing more: the children are on their way."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End children that still wait, and clean up."""
        for index in range(self.workers + 1):
            if not self._file(index).exists():
                self._send(index, {})
        self._pool.shutdown()
        self._stack.close()

    def _start(self, job: str, index: int) -> Future[Json]:
        def run() -> Json:
            self._wait_for_a_core(index)
            return run_isolated(
                "coral_action.quantization.waiting:wait_task",
                {
                    "job": job,
                    "file": str(self._file(index)),
                    "ready": str(self._ready(index)),
                    "early": self._early_request(index) if job == "observe" else None,
                },
                stage=_STAGES[job],
                limits=self._limits,
                on_progress=lambda done, total: self._report(index, done, total),
                reading=self._reading,
                writable=[self.folder(index)],
            )

        return self._pool.submit(copy_context().run, run)  # children belong to the same model

    def _wait_for_a_core(self, index: int) -> None:
        """Leave one core to loading: as long as nobody needs them, children start in turns."""
        before = index - _cores_beside_loading()
        while before >= 0 and not self._ready(before).exists():
            if self._needed.wait(_POLL_SECONDS):
                return

    def _early_request(self, index: int) -> Json | None:
        """Images to decode once everybody is ready, as many workers at a time as cores are idle."""
        if self._early is None:
            return None
        ready = [self._ready(other) for other in range(self._count + 1)]
        before = index - _cores_beside_loading()
        if before >= 0:
            ready.append(self._decoded(before))
        return {
            **self._early,
            "shard": [index, self._count],
            "bytes": _EARLY_BYTES // self._count,
            "after": [str(path) for path in ready],
            "done": str(self._decoded(index)),
        }

    def _ready(self, index: int) -> Path:
        return self.folder(index) / "ready"

    def _decoded(self, index: int) -> Path:
        return self.folder(index) / "decoded"

    def _file(self, index: int) -> Path:
        return self.scratch / f"request-{index}.json"

    def _send(self, index: int, request: Json) -> None:
        self._needed.set()
        partial = self._file(index).with_suffix(".part")
        partial.write_text(json.dumps(request), encoding="utf-8")
        partial.replace(self._file(index))

    def _report(self, index: int, done: int, total: int) -> None:
        """The progress of all workers as one."""
        if self._progress is None or index >= len(self._parts):
            return
        self._parts[index] = (done, total)
        if all(total for _, total in self._parts):
            self._progress(sum(d for d, _ in self._parts), sum(t for _, t in self._parts))


def _cores_beside_loading() -> int:
    return max(1, core_count() - 1)
