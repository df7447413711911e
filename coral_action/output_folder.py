"""The folder that a run writes into: nothing in it that Git keeps is overwritten."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from coral_action.config.paths import is_git_folder
from coral_action.errors import UsageError
from coral_action.git_folder import find_repository, tracked_files

REPORT_FILES = ("report.json", "report.md", "report.html", "coral-report.json")
# Names of all else that a run writes or removes, after the model's: every file of it, old and new.
_MODEL_FILES = ("_int8*", "_labels.txt", ".shard-*")


def is_of_model(name: str, model: str) -> bool:
    """Whether a file of a name is one that a run writes or removes for a model."""
    return any(fnmatchcase(name, glob.escape(model) + ending) for ending in _MODEL_FILES)


def require_free(folder: Path, root: Path, models: Iterable[str]) -> None:
    """Refuse an output folder in which a run would overwrite the repository's own files.

    Reads Git's index itself, in milliseconds. Where it can't (a sparse or split index), files that
    are there already count as the repository's.

    Args:
        folder: where the results go; it need not exist.
        root: the workspace.
        models: names of the models that are made.

    Raises:
        UsageError: if it lies outside of the workspace or in `.git`, or holds tracked files of
            the names that a run writes.
    """
    folder, root = folder.resolve(), root.resolve()
    if not folder.is_relative_to(root) or is_git_folder(folder.relative_to(root)):
        raise UsageError(f"the output folder {folder} lies outside of the workspace, or in .git")
    repository = find_repository(folder, root)
    if repository is None:
        return
    tracked = tracked_files(repository)
    names = [name.casefold() for name in models]
    inside = folder.relative_to(repository).as_posix().casefold()
    prefix = "" if inside == "." else f"{inside}/"
    if tracked is None:
        there = folder.iterdir() if folder.is_dir() else ()
        candidates = [prefix + entry.name.casefold() for entry in there]
    else:
        candidates = [path for path in map(str.casefold, tracked) if path.startswith(prefix)]
    for path in sorted(candidates):
        name = path[len(prefix) :]
        if "/" not in name and (
            name in REPORT_FILES or any(is_of_model(name, model) for model in names)
        ):
            known = "is a file of the repository" if tracked is not None else "is there already"
            raise UsageError(
                f"{path} {known}: it would be overwritten",
                hint="name another `output` folder, one that the repository has nothing in",
            )
