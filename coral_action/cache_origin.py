"""Whether a cache may come with the commit, whose author would then decide what models are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from coral_action.config.paths import is_git_folder
from coral_action.git_folder import find_repository, tracked_files


def why_not_ours(folder: Path, root: Path) -> str | None:
    """Why the contents of a cache folder may come with the checkout; None where they can't.

    A folder outside of the workspace, which no link in it leads to, is the user's own. Reads Git's
    index itself. Where it can't (a sparse or split index), what is there already may be the
    commit's.

    Args:
        folder: the cache; it need not exist.
        root: the workspace.
    """
    named, root = Path(os.path.abspath(folder)), root.absolute()  # noqa: PTH100 - follows no link
    resolved_root = root.resolve()
    try:
        place = named.resolve()
    except (OSError, RuntimeError):  # RuntimeError: a loop of links, before 3.13
        return "links of it lead nowhere"
    for top in (root, resolved_root):
        if named.is_relative_to(top) and place != resolved_root / named.relative_to(top):
            return "a link in the workspace leads there"
    if not place.is_relative_to(resolved_root):
        return None
    if is_git_folder(place.relative_to(resolved_root)):
        return "it lies in Git's own folder"
    for repository in _repositories(place):
        tracked = tracked_files(repository)
        if tracked is None:
            if _is_filled(place):
                return "which files Git keeps can't be told, and it is not empty"
        elif any(_meet(path, place.relative_to(repository).as_posix()) for path in tracked):
            return "Git keeps files of it"
    return None


def _repositories(folder: Path) -> Iterator[Path]:
    """All that a folder lies in: one within another may be a submodule, or hide what that keeps."""
    top = Path(folder.anchor)
    repository = find_repository(folder, top)
    while repository is not None:
        yield repository
        repository = find_repository(repository.parent, top) if repository != top else None


def _meet(tracked: str, folder: str) -> bool:
    """Whether a tracked path lies in a folder, or is one that the folder lies in (a submodule)."""
    ours, theirs = f"{folder.casefold()}/", f"{tracked.casefold()}/"
    return folder == "." or theirs.startswith(ours) or ours.startswith(theirs)


def _is_filled(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return folder.exists()
