"""One target for some seconds in this process: `python -m tests.fuzz TARGET SECONDS SEED`.

Memory is limited, and an alarm clock goes off where one input takes longer than 20 seconds. A fault
ends it with exit code 1 and the smallest input that hypothesis finds.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from collections import Counter
from types import FrameType
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.targets import TARGETS, attempt

MEMORY = 1536 * 2**20
SECONDS_OF_ONE = 20
BATCH = 200


class HangError(BaseException):
    """One input takes too long; no `except Exception` on the way stops it."""


def _ring(number: int, frame: FrameType | None) -> None:
    raise HangError(f"longer than {SECONDS_OF_ONE} seconds")


def main(name: str, seconds: float, first_seed: int) -> None:
    """Batches with one seed after the other, until the time is over; figures as JSON."""
    ends: Counter[str] = Counter()
    inputs = TARGETS[name].inputs()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _ring)
    deadline, batch, slowest = time.monotonic() + seconds, 0, 0.0

    def one(value: Any) -> None:
        nonlocal slowest
        if time.monotonic() > deadline:
            return
        signal.alarm(SECONDS_OF_ONE)
        started = time.monotonic()
        try:
            ends[attempt(name, value)] += 1
        except HangError as error:
            raise AssertionError(str(error)) from None
        finally:
            signal.alarm(0)
        slowest = max(slowest, time.monotonic() - started)

    while time.monotonic() < deadline:
        test = settings(
            max_examples=BATCH,
            deadline=None,
            database=None,
            derandomize=False,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )(seed(first_seed + batch)(given(inputs)(one)))
        test()
        batch += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    figures = {"target": name, "cases": ends.total(), **ends}
    print(json.dumps({**figures, "slowest_s": round(slowest, 3), "peak_mib": peak}))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
