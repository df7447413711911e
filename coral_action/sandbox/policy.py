"""What a child process may do, as plain data that the parent hands to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coral_action.repositories import git_entries, git_folders_elsewhere, is_git_name

_PATHS = ("readable", "writable", "shared", "runnable", "listable")


@dataclass(frozen=True)
class Policy:
    """What a child may touch beside the system and this program's own files.

    Attributes:
        readable: files and folders, with all below.
        writable: folders of the child's own, with all below.
        shared: folders of others that it may write into, with all below.
        runnable: programs, with the folders of what they need.
        listable: folders whose names may be listed, but not what is in the files.
        user: uid to become, where this process is root; None keeps it.
        group: gid to become.
        processes: processes and threads at a time, where the kernel can count them alone.
    """

    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    runnable: tuple[str, ...] = ()
    listable: tuple[str, ...] = ()
    user: int | None = None
    group: int | None = None
    processes: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to the child."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Policy:
        """The inverse of `to_json`."""
        paths: dict[str, Any] = {name: tuple(data[name]) for name in _PATHS}
        return cls(**{**data, **paths})


@dataclass(frozen=True)
class Reading:
    """Files and folders that a child may read."""

    readable: tuple[Path, ...] = ()
    listable: tuple[Path, ...] = ()

    def and_also(self, *more: Path | None) -> Reading:
        """These, and some more; None stands for nothing."""
        found = tuple(path for path in more if path is not None)
        return Reading((*self.readable, *found), self.listable)


def workspace(root: Path | None, elsewhere: Iterable[Path] = ()) -> Reading:
    """What may be read of a workspace: all but every `.git`, which can hold a checkout's token.

    Without a workspace, on somebody's own machine, everything that the user can read. `elsewhere`
    has what belongs to the workspace and lies outside of it: downloads.

    Raises:
        UsageError: if the workspace has too many folders to look for repositories in them.
    """
    if root is None:
        return Reading((Path("/"),))
    return Reading((*_without_repositories(root), *elsewhere), (root,))


def _without_repositories(root: Path) -> Iterator[Path]:
    """What lies in a workspace, in pieces as large as can be, but for Git's own folders.

    A rule holds for all below, so folders on the way to what is denied fall into what they hold.
    """
    top = root.resolve()
    denied = set(git_entries(top))
    for entry in tuple(denied):
        denied.update(folder for folder in git_folders_elsewhere(entry) if top in folder.parents)
    on_the_way = {top, *(p for path in denied for p in path.parents if top in p.parents)}
    for folder in sorted(on_the_way - denied):
        if denied.isdisjoint(folder.parents):
            found = without_git(folder)
            yield from (path for path in found if path not in denied and path not in on_the_way)


def without_git(folder: Path) -> Iterable[Path]:
    """What lies in a folder, but for `.git` and for links, which a rule would follow anywhere."""
    try:
        with os.scandir(folder) as entries:
            found = [e for e in entries if not is_git_name(e.name) and not e.is_symlink()]
    except OSError:
        return []
    return [Path(entry.path) for entry in found]
