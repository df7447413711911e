"""Where coral.yml is in the repository, by the words of the workflow and not by what is there now.

A pull request can put a link or a submodule in its place. Whoever followed it would ask the base
branch for another file than the one that the base branch's limits are in.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConfigPlace:
    """The path of coral.yml in its repository, with slashes.

    `detour` says what leads from it to the file: "a link" or "a submodule"; empty where it is a
    file of the repository itself, for certain.
    """

    path: str
    detour: str = ""


def place_of(workspace: Path, value: str) -> ConfigPlace:
    """The place that the input `config` names.

    Args:
        workspace: resolved.
        value: the input: relative to the workspace, or absolute and inside of it.
    """
    # normpath, not resolve: `..` is taken back by letter, and no link is followed.
    written = Path(os.path.normpath(workspace / value))
    resolved = (workspace / value).resolve()
    if not written.is_relative_to(workspace):  # by another name of the workspace
        written = resolved
    link = next((p for p in _down(workspace, written) if p.is_symlink()), None)
    around = [p for p in _down(workspace, (link or written).parent) if _has_git(p)]
    # Git commits no folder of the name .git: where one is, the workflow checked something out. A
    # file is what submodules have; the outermost can be none, as nothing is around it.
    checkouts = [*(around or [workspace])[:1], *(p for p in around[1:] if _is_checkout(p))]
    detour = "a link" if resolved != written else ""
    if around and around[-1] != checkouts[-1]:
        detour = detour or "a submodule"
    return ConfigPlace(written.relative_to(checkouts[-1]).as_posix(), detour)


def _down(top: Path, place: Path) -> list[Path]:
    """The folders from the top to a place, both included."""
    return [p for p in reversed((place, *place.parents)) if p.is_relative_to(top)]


def _is_checkout(folder: Path) -> bool:
    return (folder / ".git").is_dir() and not (folder / ".git").is_symlink()


def _has_git(folder: Path) -> bool:
    return os.path.lexists(folder / ".git")
