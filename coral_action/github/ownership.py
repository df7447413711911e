"""Files made by a container's root are given back to whom the workspace belongs to."""

from __future__ import annotations

import os
from pathlib import Path


def give_back(made: Path, workspace: Path) -> None:
    """Give a file or folder, with all in it, to the owner of the workspace.

    So that later steps, which are not root, can change and remove it. Links are given back and not
    followed. Nothing happens where we are not root, or the workspace is root's.
    """
    if os.geteuid() != 0 or not made.exists():
        return
    owner = workspace.stat()
    if owner.st_uid == 0:
        return
    # Folders between the workspace and `made` may be new, too.
    between = [folder for folder in made.parents if folder.is_relative_to(workspace)]
    paths = [made, *(folder for folder in between if folder != workspace)]
    for folder, folders, files in os.walk(made):
        paths += [Path(folder, name) for name in (*folders, *files)]
    for path in paths:
        if path.lstat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
