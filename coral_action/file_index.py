"""SHA-256 of files, remembered by what the file system says of them.

A file is not read again while path, device, inode, size and both times of change stay the same. As
with git's index, a file that changed less than two seconds before it was read is not remembered:
another change may come within the same tick of the clock ("racy git").
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from coral_action.output_files import open_regular, write_file
from coral_action.workers import core_count

_RACY_NS = 2_000_000_000
_MAX_INDEX_BYTES = 256 * 2**20
_CHUNK = 64  # files that a thread takes at a time
_READ_BYTES = 1 << 20

# device, inode, size, time of modification, time of change of the inode (nanoseconds)
Stamp = tuple[int, int, int, int, int]


class FileIndex:
    """Digests by path; kept in a file between runs where there is one."""

    def __init__(self, file: Path | None = None) -> None:
        """Read what an earlier run left; what can't be read counts as nothing."""
        self._file = file
        self._known: dict[str, tuple[Stamp, str]] = {}
        self._new = False
        if file is None or file.parent.is_symlink():
            self._file = None
            return
        with contextlib.suppress(OSError, ValueError, TypeError, RecursionError, MemoryError):
            with open_regular(file, _MAX_INDEX_BYTES) as opened:
                held = json.loads(opened.read(_MAX_INDEX_BYTES))
            self._known = {path: (tuple(stamp), digest) for path, (stamp, digest) in held}

    def digests(self, paths: Iterable[str]) -> list[str]:
        """SHA-256 of each file; empty for what is no regular file or can't be read."""
        wanted = list(paths)
        if len(wanted) <= _CHUNK:
            return [self.digest(path) for path in wanted]
        # hashlib and the file system let go of the interpreter's lock.
        with ThreadPoolExecutor(core_count()) as pool:
            parts = [wanted[i : i + _CHUNK] for i in range(0, len(wanted), _CHUNK)]
            found = pool.map(lambda part: [self.digest(path) for path in part], parts)
            return [digest for part in found for digest in part]

    def digest(self, path: str) -> str:
        """SHA-256 of one file, links followed; errors as `digests`."""
        try:
            known = self._known.get(path)
            if known is not None and known[0] == _stamp(os.stat(path)):  # noqa: PTH116 - hot
                return known[1]
            return self._read(path)
        except OSError:
            return ""

    def save(self) -> None:
        """Write what is new, for the next run; a folder that can't be written costs only time.

        What an earlier run knew of files that are gone is forgotten.
        """
        if self._file is None or not self._new:
            return
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # In name order: the same files give the same index, whichever thread was first.
            known = [(path, seen) for path, seen in sorted(self._known.items()) if _is_there(path)]
            write_file(self._file, json.dumps(known, separators=(",", ":")))

    def _read(self, path: str) -> str:
        now = time.time_ns()
        # Opening never waits for a FIFO or wakes a device.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                return ""
            digest, left = hashlib.sha256(), before.st_size  # some files of /proc have no end
            while left > 0 and (chunk := os.read(descriptor, min(left, _READ_BYTES))):
                digest.update(chunk)
                left -= len(chunk)
            stamp = _stamp(os.fstat(descriptor))
        finally:
            os.close(descriptor)
        text = digest.hexdigest()
        if stamp == _stamp(before) and now - max(stamp[3:]) > _RACY_NS:
            self._known[path] = (stamp, text)
            self._new = True
        return text


def _is_there(path: str) -> bool:
    try:
        os.stat(path)  # noqa: PTH116 - hot
    except (OSError, ValueError):
        return False
    return True


def _stamp(status: os.stat_result) -> Stamp:
    return (
        status.st_dev,
        status.st_ino,
        status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
    )
