"""Who may start: as many models at once as fit into memory, in their order.

What a model takes is what it took when it was made before, as measured. One that is new here is
estimated from its size by figures that were measured on other models (docs/cache.md has them).
One model runs in any case, however little is free.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from coral_action.errors import StoppedError

# All child processes of a small model, at their peak: TensorFlow while it loads, or the workers.
BASE_BYTES = 1400 * 2**20
# And for each byte of the model's files: copies in the converter, the quantizer, the workers.
BYTES_PER_BYTE = 30
_LOOK_AGAIN_SECONDS = 0.2
_CGROUPS = (  # limit and usage: version 2, version 1
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


class Admission:
    """The door; one for a run."""

    def __init__(
        self,
        taken: Callable[[str], int],
        free: Callable[[], int | None],
        stopped: Callable[[], str] = lambda: "",
    ) -> None:
        """Nobody is inside.

        Args:
            taken: bytes that a model's processes take now.
            free: bytes that may still be taken on this machine; None where that is not known.
            stopped: why nobody may enter any more; empty as long as they may.
        """
        self._taken, self._free, self._stopped = taken, free, stopped
        self._inside: dict[str, int] = {}
        self._queue: deque[str] = deque()
        self._changed = threading.Condition()

    def enter(self, name: str, need_bytes: int) -> None:
        """Wait until a model that needs so much fits beside those inside; first come, first served.

        Raises:
            StoppedError: if the run was stopped while it waited.
        """
        with self._changed:
            if name in self._inside:
                return
            self._queue.append(name)
            try:
                while not (self._queue[0] == name and self._fits(need_bytes)):
                    if reason := self._stopped():
                        raise StoppedError(f"stopped by {reason} before it began")
                    self._changed.wait(_LOOK_AGAIN_SECONDS)
                self._inside[name] = need_bytes
            finally:
                self._queue.remove(name)
                self._changed.notify_all()

    def leave(self, name: str) -> None:
        """A model is done, whether it had entered or not."""
        with self._changed:
            self._inside.pop(name, None)
            self._changed.notify_all()

    def _fits(self, need_bytes: int) -> bool:
        free = self._free()
        if not self._inside or free is None:
            return True
        # Those inside have not taken yet all that they will need.
        promised = sum(max(0, need - self._taken(name)) for name, need in self._inside.items())
        return need_bytes + promised <= free


def estimate(source: Path) -> int:
    """Bytes that a model will take which was never made here."""
    try:
        files = [path for path in source.rglob("*") if path.is_file()] or [source]
        size = sum(path.stat().st_size for path in files)
    except OSError:
        size = 0
    return BASE_BYTES + BYTES_PER_BYTE * size


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes that may still be taken here: by the machine, and by this container's limit.

    Memory that holds files counts as free, as the kernel gives it back (proc(5), MemAvailable).
    """
    free = [_available(root), *(_left(root / "sys/fs/cgroup", *names) for names in _CGROUPS)]
    return min((bytes_ for bytes_ in free if bytes_ is not None), default=None)


def _available(root: Path) -> int | None:
    try:
        lines = (root / "proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    words = fields.get("MemAvailable", "").split()
    return int(words[0]) * 1024 if words else None


def _left(folder: Path, limit: str, usage: str) -> int | None:
    try:
        most, now = ((folder / name).read_text(encoding="ascii").strip() for name in (limit, usage))
        statistics = (folder / limit).with_name("memory.stat").read_text(encoding="ascii")
    except OSError:
        return None
    if not most.isdigit() or not now.isdigit():
        return None  # "max": no limit
    counts = dict(line.split(" ", 1) for line in statistics.splitlines() if " " in line)
    files = counts.get("total_inactive_file", counts.get("inactive_file", "0"))
    return max(0, int(most) - int(now) + int(files))
