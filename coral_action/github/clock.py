"""Time as the API client sees it, in one place, so that tests take none."""

from __future__ import annotations

import random
import time


class Clock:
    """The real clock; seconds throughout."""

    def now(self) -> float:
        """Seconds since 1970, as in `x-ratelimit-reset`."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never jump."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def jitter(self) -> float:
        """A random number from 0 to 1, so that two jobs don't wake up together."""
        return random.random()  # noqa: S311
