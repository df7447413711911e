"""Paths named in coral.yml: relative to it, and inside the workspace where there is one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from coral_action.errors import ConfigError


@dataclass(frozen=True)
class PathRules:
    """Where relative paths begin, and the folder that none may leave (None: anywhere)."""

    base: Path
    root: Path | None = None

    def resolve(self, value: str) -> Path:
        """The absolute path of `value`, links followed; it need not exist.

        Raises:
            ConfigError: if it lies outside `root` or inside a `.git` folder.
        """
        if "\0" in value:
            raise ConfigError(f"{value!r}: a path can't hold a NUL character")
        path = (self.base / value).resolve()
        if self.root is None:
            return path
        root = self.root.resolve()
        if not path.is_relative_to(root) or ".git" in path.relative_to(root).parts:
            raise ConfigError(
                f"{value}: outside of the workspace",
                hint=f"only files below {root} can be named in coral.yml, links included",
                topic="outside-of-the-workspace",
            )
        return path

    def to_json(self) -> dict[str, str | None]:
        """Plain data, to hand on to a child process."""
        return {"base": str(self.base), "root": None if self.root is None else str(self.root)}

    @classmethod
    def from_json(cls, data: dict[str, str | None]) -> PathRules:
        """The inverse of `to_json`."""
        root = data["root"]
        return cls(Path(str(data["base"])), None if root is None else Path(root))
