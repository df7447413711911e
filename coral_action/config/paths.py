"""Paths named in coral.yml: relative to it, and inside the workspace where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from coral_action.errors import ConfigError
from coral_action.repositories import is_git_name

DOWNLOAD = "download:"
_LONGEST = 4096  # characters; Linux takes no more bytes


class BrokenLinkError(ConfigError):
    """A link that leads in a circle."""


@dataclass(frozen=True)
class PathRules:
    """Where relative paths begin, and the folder that none may leave (None: anywhere).

    `downloads` has the files and folders that `download:NAME` stands for.
    """

    base: Path
    root: Path | None = None
    downloads: Mapping[str, Path] = field(default_factory=dict)

    def resolve(self, value: str) -> Path:
        """The absolute path of `value`, links followed; it need not exist.

        Raises:
            BrokenLinkError: if its links lead nowhere.
            ConfigError: if it lies outside `root` or inside a `.git` folder, or can't be a path.
        """
        if "\0" in value:
            raise ConfigError(f"{value!r}: a path can't hold a NUL character")
        if len(value) > _LONGEST:
            raise ConfigError(f"{value[:60]!r}...: a path can't be as long as that")
        if value.startswith(DOWNLOAD):
            return self._downloaded(value)
        path = _resolved(self.base / value)
        if self.root is None:
            return path
        root = self.root.resolve()
        if not path.is_relative_to(root) or is_git_folder(path.relative_to(root)):
            raise ConfigError(
                f"{value}: outside of the workspace",
                hint=f"only files below {root} can be named in coral.yml, links included",
                topic="outside-of-the-workspace",
            )
        return path

    def _downloaded(self, value: str) -> Path:
        name, _, inner = value.removeprefix(DOWNLOAD).partition("/")
        if name not in self.downloads:
            raise ConfigError(f"{value}: no download of that name", hint="see `downloads:`")
        folder = _resolved(self.downloads[name])
        path = _resolved(folder / inner) if inner else folder
        if not path.is_relative_to(folder):
            raise ConfigError(f"{value}: outside of the download")
        return path

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to a child process."""
        return {
            "base": str(self.base),
            "root": None if self.root is None else str(self.root),
            "downloads": {name: str(path) for name, path in self.downloads.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PathRules:
        """The inverse of `to_json`."""
        root = data["root"]
        downloads = {name: Path(path) for name, path in data.get("downloads", {}).items()}
        return cls(Path(str(data["base"])), None if root is None else Path(root), downloads)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except UnicodeError as error:
        raise ConfigError(f"{str(path)!r}: no path that a file can have") from error
    except (OSError, RuntimeError) as error:  # RuntimeError: a circle of links, before 3.13
        raise BrokenLinkError(f"{path}: a link that leads nowhere") from error


def is_git_folder(path: PurePath) -> bool:
    """Whether a path lies in a `.git`, which holds the token that a checkout left there."""
    return any(is_git_name(part) for part in path.parts)
