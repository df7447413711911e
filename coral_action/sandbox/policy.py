"""What a child process may do, as plain data that the parent hands to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

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
    """What may be read of a workspace: all but `.git`, which can hold the token of the checkout.

    Without a workspace, on somebody's own machine, everything that the user can read. `elsewhere`
    has what belongs to the workspace and lies outside of it: downloads.
    """
    if root is None:
        return Reading((Path("/"),))
    return Reading((*without_git(root), *elsewhere), (root,))


def without_git(folder: Path) -> Iterable[Path]:
    """What lies in a folder, but for `.git` and for links, which a rule would follow anywhere."""
    try:
        found = folder.iterdir()
        return [path for path in found if path.name.lower() != ".git" and not path.is_symlink()]
    except OSError:
        return []
