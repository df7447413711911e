"""Giving what was made as root in a mounted folder back to the owner of that folder.

GitHub starts a container action as root, and `docker run` does so by default; files that root
leaves in a workspace can be neither changed nor removed by the steps, or the person, that follow.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# The clock that stamps files ticks some milliseconds behind the one that processes read.
_CLOCK_SLACK_NS = 50_000_000


@contextmanager
def given_back(folder: Path) -> Iterator[None]:
    """On leaving, however that comes about, do `give_back` for what came up inside the block."""
    since = time.time_ns()
    try:
        yield
    finally:
        give_back(folder, since)


def give_back(folder: Path, since_ns: int) -> None:
    """Give files and folders below `folder` to its owner and group.

    Only those that belong to this process's user and changed after `since_ns` (nanoseconds since
    1970). Nothing happens unless that user is root and the folder belongs to somebody else. Links
    are not followed, `.git` is not entered, and what vanishes or can't be changed is passed over.
    """
    try:
        owner = folder.stat()
    except OSError:
        return
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    oldest = since_ns - _CLOCK_SLACK_NS
    # By descriptors: nobody can swap a folder for a link to elsewhere on the way.
    for path, folders, files, descriptor in os.fwalk(folder, follow_symlinks=False):
        if Path(path) == folder and ".git" in folders:
            folders.remove(".git")
        for name in (*folders, *files):
            with contextlib.suppress(OSError):
                status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if status.st_uid == 0 and status.st_ctime_ns >= oldest:
                    os.chown(
                        name,
                        owner.st_uid,
                        owner.st_gid,
                        dir_fd=descriptor,
                        follow_symlinks=False,
                    )
