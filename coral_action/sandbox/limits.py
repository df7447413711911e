"""What a child process may use at most."""

from __future__ import annotations

import os
import resource
from dataclasses import asdict, dataclass
from typing import Any

from coral_action.sandbox.process import limit


@dataclass(frozen=True)
class Limits:
    """Time, memory and file size of a child; how many processes it may start is fixed."""

    seconds: float = 1800.0
    memory_bytes: int = 16 * 2**30  # private writable memory (RLIMIT_DATA), of each process
    file_bytes: int = 8 * 2**30

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to the child."""
        return asdict(self)

    def apply(self) -> None:
        """Hold this process, and all that it starts, to them; no core file is ever written."""
        limit(resource.RLIMIT_CORE, 0)
        limit(resource.RLIMIT_DATA, self.memory_bytes)
        limit(resource.RLIMIT_FSIZE, self.file_bytes)
        # The parent stops a child in time; this is for what would outlive the parent.
        limit(resource.RLIMIT_CPU, int(self.seconds) * (os.cpu_count() or 1) + 1)
