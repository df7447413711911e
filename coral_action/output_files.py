"""Files that others may have prepared: taken from a child, or written into a stranger's checkout.

A name can be a link to elsewhere or a FIFO, put there by the child or committed in the branch under
review. Nothing here follows the one or waits for the other.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def open_regular(path: Path, max_bytes: int, folder: int | None = None) -> Iterator[IO[bytes]]:
    """Open a plain file with one name, for reading.

    Args:
        path: the file.
        max_bytes: how large it may be.
        folder: a descriptor of the folder that `path` is relative to.

    Raises:
        OSError: if it is a link, has another name elsewhere, is no plain file or too large.
    """
    with os.fdopen(os.open(path, _READ, dir_fd=folder), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise OSError(f"{path.name}: not a plain file")
        if status.st_size > max_bytes:
            raise OSError(f"{path.name}: {status.st_size:,} bytes are too many")
        yield file


def is_regular(path: Path) -> bool:
    """Whether a path is a plain file itself, and no link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def take_file(source: Path, target: Path, max_bytes: int, folder: int | None = None) -> None:
    """Copy a file that a child made to where it belongs; arguments and errors as `open_regular`."""
    with open_regular(source, max_bytes, folder) as file, _replacing(target) as made:
        shutil.copyfileobj(file, made, 2**20)


def write_file(target: Path, content: bytes | str) -> None:
    """Write a file whole or not at all; a link of that name is replaced, never followed.

    Raises:
        OSError: if it can't be written.
    """
    with _replacing(target) as made:
        made.write(content.encode() if isinstance(content, str) else content)


def write_named(target: Path, content: str) -> None:
    """Write where a user said on the command line: as `write_file`, but also /dev/stdout or a FIFO.

    Git keeps neither, so a branch can't have prepared them; a link to one is replaced.

    Raises:
        OSError: if it can't be written.
    """
    named = Path(os.path.abspath(target))  # noqa: PTH100 - follows no link
    try:
        kind = stat.S_IFMT(target.lstat().st_mode)
    except OSError:
        kind = stat.S_IFREG
    if named.is_relative_to("/dev") or kind not in (stat.S_IFREG, stat.S_IFLNK):
        target.write_text(content, encoding="utf-8", newline="\n")
    else:
        write_file(target, content)


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A new file that takes the name of `target` when all went well."""
    # Nobody can be there first: the name can't be guessed, and an existing one is refused.
    partial = target.with_name(f".{target.name[:200]}.{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(os.open(partial, _CREATE, 0o666), "wb") as made:
            yield made
        partial.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
