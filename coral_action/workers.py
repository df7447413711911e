"""The same task in several child processes, each with a part of the samples."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from coral_action.isolation import Json, Limits, ProgressCallback, Reading, run_isolated

# A worker takes 0.3 s to start: not worth it for fewer samples.
_SAMPLES_PER_WORKER = 16
# Each holds its models in memory.
_MAX_WORKERS = 16


def core_count() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(samples: int | None = None) -> int:
    """How many workers this machine should run for so many samples (None: not known yet)."""
    wanted = _MAX_WORKERS if samples is None else samples // _SAMPLES_PER_WORKER
    return max(1, min(core_count(), wanted, _MAX_WORKERS))


def run_in_workers(
    task: str,
    request: Json,
    workers: int,
    *,
    stage: str,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
    reading: Reading | None = None,
    outputs: Callable[[int], Mapping[str, Path]] | None = None,
) -> list[Json]:
    """Run `task` in each worker, with `shard: [index, workers]` added to the request.

    Arguments are as of `run_isolated`; `outputs` are those of the worker with an index.

    Returns:
        What the workers returned, in the order of the shards.

    Raises:
        CoralQuantizeError: as `run_isolated`; of several errors that of the first shard.
    """
    progress = _Sum(workers, on_progress)

    def run(index: int) -> Json:
        return run_isolated(
            task,
            {**request, "shard": [index, workers]},
            stage=stage,
            limits=limits,
            on_progress=lambda done, total: progress.report(index, done, total),
            reading=reading,
            outputs=outputs(index) if outputs else None,
        )

    with ThreadPoolExecutor(workers) as pool:
        futures = [pool.submit(copy_context().run, run, index) for index in range(workers)]
        return [future.result() for future in futures]


class _Sum:
    """The progress of several workers as one."""

    def __init__(self, workers: int, callback: ProgressCallback | None) -> None:
        self._parts = [(0, 0)] * workers
        self._callback = callback
        self._lock = threading.Lock()

    def report(self, index: int, done: int, total: int) -> None:
        with self._lock:
            self._parts[index] = (done, total)
            if self._callback is not None and all(total for _, total in self._parts):
                self._callback(*(sum(part) for part in zip(*self._parts, strict=True)))
