"""The parent's side of observation: one worker process for each core."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from coral_action.isolation import Limits, ProgressCallback, run_isolated

# A worker takes 0.3 s to start: not worth it for fewer samples.
_SAMPLES_PER_WORKER = 16


def worker_count(samples: int) -> int:
    """How many workers observe that many samples on this machine."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, samples // _SAMPLES_PER_WORKER))


def observe_in_workers(
    request: dict[str, Any],
    workers: int,
    scratch: Path,
    *,
    limits: Limits | None,
    on_progress: ProgressCallback | None,
) -> list[Path]:
    """Run `observe_task` in worker processes and return their files, in the order of the shards.

    Raises:
        DataError: if the data can't be read, are empty, don't fit the model or hold NaN.
        StageCrashError: if a worker died.
    """
    files = [scratch / f"observed-{index}.npz" for index in range(workers)]
    progress = _Sum(workers, on_progress)

    def run(index: int) -> None:
        run_isolated(
            "coral_action.quantization.observation.worker:observe_task",
            {**request, "shard": [index, workers], "output": str(files[index])},
            stage="calibration",
            limits=limits,
            on_progress=lambda done, total: progress.report(index, done, total),
        )

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(run, index) for index in range(workers)]:
            future.result()
    return files


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
