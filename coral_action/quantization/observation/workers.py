"""How many processes observe."""

from __future__ import annotations

import os

# A worker takes 0.3 s to start: not worth it for fewer samples.
_SAMPLES_PER_WORKER = 16


def core_count() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_count(samples: int) -> int:
    """How many workers observe that many samples on this machine."""
    return max(1, min(core_count(), samples // _SAMPLES_PER_WORKER))
