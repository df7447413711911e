"""The inputs of the action, as the runner passes them: INPUT_<NAME>, in capitals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coral_action.errors import UsageError

DEFAULT_CONFIG = "coral.yml"
DEFAULT_OUTPUT = "coral-output"


@dataclass(frozen=True)
class ActionInputs:
    """Inputs of the action, with the workspace that all its paths lie in."""

    workspace: Path
    config: Path
    output: Path
    models: tuple[str, ...]
    compiler: str | None
    jobs: int

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ActionInputs:
        """Read the inputs; an empty one counts as absent, as it does for the runner.

        Raises:
            UsageError: if one can't be understood, or leads out of the workspace.
        """
        workspace = Path(environment.get("GITHUB_WORKSPACE") or ".").resolve()
        jobs = _input(environment, "jobs") or "1"
        if not jobs.isdecimal() or int(jobs) < 1:
            raise UsageError(f"input jobs: {jobs!r} is not a whole number above 0")
        names = _input(environment, "models").replace(",", " ").split()
        return cls(
            workspace=workspace,
            config=_path(workspace, "config", _input(environment, "config") or DEFAULT_CONFIG),
            output=_path(workspace, "output", _input(environment, "output") or DEFAULT_OUTPUT),
            models=tuple(names),
            compiler=_input(environment, "compiler") or None,
            jobs=int(jobs),
        )


def _input(environment: Mapping[str, str], name: str) -> str:
    """An input by name; the runner keeps hyphens, other callers turn them into underscores."""
    for variable in (f"INPUT_{name.upper()}", f"INPUT_{name.upper().replace('-', '_')}"):
        if value := environment.get(variable, "").strip():
            return value
    return ""


def _path(workspace: Path, name: str, value: str) -> Path:
    path = (workspace / value).resolve()
    if not path.is_relative_to(workspace):
        raise UsageError(f"input {name}: {value} lies outside of the workspace")
    return path
