"""How many processes observe."""

from __future__ import annotations

import os

# A worker takes 0.3 s to start: not worth it for fewer samples.
_SAMPLES_PER_WORKER = 16


def worker_count(samples: int) -> int:
    """How many workers observe that many samples on this machine."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, min(cores, samples // _SAMPLES_PER_WORKER))
