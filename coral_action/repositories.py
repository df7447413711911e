"""Every `.git` below a folder: a checkout leaves its token there, wherever the workflow put it."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from coral_action.errors import UsageError

# A walk of so many takes some three seconds; what is left unseen could hold a token.
MAX_FOLDERS = 200_000
_SMALL = 64 * 1024


def is_git_name(name: str) -> bool:
    """Whether a name is `.git`, as file systems without case, and those of Windows, have it."""
    return name.casefold().rstrip(". ") == ".git"


@lru_cache(maxsize=8)
def git_entries(root: Path) -> tuple[Path, ...]:
    """All files, folders and links of the name `.git`, those nearest to the root first.

    Links are not followed. It is looked once for each root: nothing here makes a repository.

    Raises:
        UsageError: if there are too many folders to look through.
    """
    found: list[Path] = []
    level, seen = [str(root)], 0
    while level:
        seen += len(level)
        if seen > MAX_FOLDERS:
            raise UsageError(
                f"{root}: more than {MAX_FOLDERS:,} folders, too many to look for the tokens of "
                "checkouts in them",
                hint="check out into a folder of its own, and name that as the workspace",
            )
        deeper: list[str] = []
        for folder in level:
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if is_git_name(entry.name):
                            found.append(Path(entry.path))
                        elif entry.is_dir(follow_symlinks=False):
                            deeper.append(entry.path)
            except OSError:
                continue
        level = sorted(deeper)
    return tuple(found)


def git_folders_elsewhere(entry: Path) -> list[Path]:
    """What a `.git` that is a file or a link stands for: its folder, and that of its settings."""
    if entry.is_symlink():
        return [_resolved(entry)]
    target = _text(entry).removeprefix("gitdir: ").strip()
    if not target:
        return []
    folder = _resolved(entry.parent / target)
    shared = _text(folder / "commondir").strip()  # of a worktree
    return [folder, _resolved(folder / shared)] if shared else [folder]


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a circle of links, a NUL character
        return path


def _text(path: Path) -> str:
    """A small regular file; empty where it is anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except (OSError, ValueError):
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _SMALL).decode("utf-8", "surrogateescape")
    finally:
        os.close(descriptor)
