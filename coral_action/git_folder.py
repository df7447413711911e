"""What a checked-out repository says of itself, read without Git.

Git runs programs that a repository's own settings name, and refuses folders of other owners; files
of a known form need neither. https://git-scm.com/docs/gitrepository-layout
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFERENCE = re.compile(r"refs/[A-Za-z0-9][A-Za-z0-9._/+@-]{0,500}")
_SMALL = 64 * 1024
_PACKED = 64 * 2**20  # a repository with a million references has one of this size
_INDEX = 512 * 2**20


class UnreadableError(Exception):
    """The repository is there, but not in a form that is known here."""


def find_repository(folder: Path, root: Path) -> Path | None:
    """The nearest folder with a `.git`, from `folder` up to `root`, both resolved."""
    for place in (folder, *folder.parents):
        if (place / ".git").exists() or (place / ".git").is_symlink():
            return place
        if place == root:
            break
    return None


def head_commit(repository: Path) -> str:
    """The commit that is checked out, as hexadecimal digits.

    Raises:
        UnreadableError: if it can't be told.
    """
    folder = git_folder(repository)
    head = _text(folder / "HEAD", _SMALL).strip()
    if _COMMIT.fullmatch(head):
        return head
    reference = head.removeprefix("ref: ")
    if reference == head or not _REFERENCE.fullmatch(reference) or ".." in reference:
        raise UnreadableError("its HEAD names neither a commit nor a branch")
    common = _common(folder)
    for place in (folder, common):
        try:
            commit = _text(place / reference, _SMALL).strip()
        except UnreadableError:
            continue
        if _COMMIT.fullmatch(commit):
            return commit
    return _packed(common, reference)


def git_folder(repository: Path) -> Path:
    """The folder behind `.git`, which a worktree or submodule keeps elsewhere.

    Raises:
        UnreadableError: if there is none.
    """
    entry = repository / ".git"
    if entry.is_symlink():
        raise UnreadableError("its .git is a link")
    if entry.is_dir():
        return entry
    pointer = _text(entry, _SMALL).strip()
    target = pointer.removeprefix("gitdir: ")
    if target == pointer:
        raise UnreadableError("its .git names no folder")
    return repository / target


def tracked_files(repository: Path) -> frozenset[str] | None:
    """POSIX paths, relative to the repository, of all files that Git keeps; None: can't be told.

    Reads the index in versions 2 to 4 (https://git-scm.com/docs/index-format). It can't tell where
    a part of the index is in another file (split index) or left out (sparse index).
    """
    try:
        content = _bytes(git_folder(repository) / "index", _INDEX)
        return frozenset(_index_paths(content))
    except FileNotFoundError:
        return frozenset()
    except (UnreadableError, IndexError, ValueError):
        return None


def _index_paths(content: bytes) -> list[str]:
    version, count = (int.from_bytes(content[i : i + 4]) for i in (4, 8))
    if content[:4] != b"DIRC" or version not in (2, 3, 4):
        raise UnreadableError("an index of another version")
    # A hash of 20 or of 32 bytes: the one that the whole file ends with tells.
    for hash_bytes in (20, 32):
        try:
            paths, end = _entries(content, version, count, hash_bytes)
            _check_extensions(content[end:-hash_bytes])
        except (UnreadableError, IndexError, ValueError):
            continue
        return paths
    raise UnreadableError("an index in another form")


def _entries(content: bytes, version: int, count: int, hash_bytes: int) -> tuple[list[str], int]:
    paths: list[str] = []
    position, name = 12, b""
    for _ in range(count):
        flags_at = position + 40 + hash_bytes
        mode = int.from_bytes(content[position + 24 : position + 28])
        if flags_at + 2 > len(content) or stat.S_IFMT(mode) not in _KINDS:
            raise UnreadableError("a damaged index")
        extended = version >= 3 and content[flags_at] & 0x40
        start = flags_at + (4 if extended else 2)
        if version == 4:
            cut, start = _offset(content, start)
            end = content.index(0, start)
            name = name[: len(name) - cut] + content[start:end]
            position = end + 1
        else:
            end = content.index(0, start)
            name = content[start:end]
            position += -(-(end + 1 - position) // 8) * 8
        paths.append(os.fsdecode(name))
    return paths, position


_KINDS = (stat.S_IFREG, stat.S_IFLNK, 0o160000)  # the last is a submodule


def _offset(content: bytes, position: int) -> tuple[int, int]:
    """Git's variable-length number, and where it ends."""
    byte = content[position]
    value = byte & 0x7F
    while byte & 0x80:
        position += 1
        byte = content[position]
        value = ((value + 1) << 7) | (byte & 0x7F)
    return value, position + 1


def _check_extensions(content: bytes) -> None:
    """Those whose name begins with a small letter must be understood: `link`, `sdir`."""
    while content:
        size = int.from_bytes(content[4:8])
        if len(content) < 8 + size or not b"A" <= content[:1] <= b"Z":
            raise UnreadableError("an index with parts that are not known here")
        content = content[8 + size :]


def _common(folder: Path) -> Path:
    """Where branches are kept: worktrees share them."""
    try:
        return folder / _text(folder / "commondir", _SMALL).strip()
    except (UnreadableError, FileNotFoundError):
        return folder


def _packed(folder: Path, reference: str) -> str:
    try:
        packed = _text(folder / "packed-refs", _PACKED)
    except FileNotFoundError as error:
        raise UnreadableError(f"{reference} is not there") from error
    for line in packed.splitlines():
        commit, _, name = line.partition(" ")
        if name == reference and _COMMIT.fullmatch(commit):
            return commit
    raise UnreadableError(f"{reference} is not there")


def _text(path: Path, limit: int) -> str:
    try:
        return _bytes(path, limit).decode("utf-8", "replace")
    except FileNotFoundError as error:
        raise UnreadableError(f"{path.name} is not there") from error


def _bytes(path: Path, limit: int) -> bytes:
    """A regular file of at most `limit` bytes; FileNotFoundError where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UnreadableError(f"{path.name} can't be read: {error.strerror}") from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise UnreadableError(f"{path.name} is no file of the expected size")
        return file.read(limit)
