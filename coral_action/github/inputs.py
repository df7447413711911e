"""The inputs of the action, as the runner passes them: INPUT_<NAME>, in capitals."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from coral_action.config.paths import is_git_folder
from coral_action.errors import (
    EXIT_LIMIT_EXCEEDED,
    EXIT_OK,
    EXIT_USAGE,
    UsageError,
    worst_exit_code,
)
from coral_action.github import baseline, checkout
from coral_action.github.comment import MODES
from coral_action.github.comment_body import check_key
from coral_action.github.config_place import ConfigPlace, place_of

DEFAULT_CONFIG = "coral.yml"
DEFAULT_OUTPUT = "coral-output"
POLICIES = ("head", "base")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


class FailOn(StrEnum):
    """What makes the step fail; all of it is reported in any case."""

    LIMITS = "limits"
    ERRORS = "errors"
    NEVER = "never"

    def exit_code(self, codes: Iterable[int]) -> int:
        """The step's exit code from those of its parts.

        A wrong config or input always fails: then nothing was checked at all.
        """
        ignored = {
            FailOn.LIMITS: (),
            FailOn.ERRORS: (EXIT_LIMIT_EXCEEDED,),
            FailOn.NEVER: tuple(code for code in range(EXIT_OK, 256) if code != EXIT_USAGE),
        }[self]
        return worst_exit_code(code for code in codes if code not in ignored)


@dataclass(frozen=True)
class ActionInputs:
    """Inputs of the action, with the workspace that all its paths lie in."""

    workspace: Path
    config: Path
    place: ConfigPlace  # where the workflow says that coral.yml is: `config` has links followed
    output: Path
    models: tuple[str, ...]
    compiler: str | None
    jobs: int | None  # None: as many as cores and memory allow
    cache: Path | None
    comment: str
    comment_key: str
    checks: bool
    release_tag: str
    release_files: tuple[str, ...]
    baseline: str | Path  # "auto", "none", or a file
    fail_on: FailOn
    allow_custom_code: bool
    accept_compiler_terms: bool
    allow_untrusted_checkout: bool
    policy: str  # "head" or "base": whose limits hold

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> ActionInputs:
        """Read the inputs; an empty one counts as absent, as it does for the runner.

        Raises:
            UsageError: if one can't be understood, or leads out of the workspace.
        """
        workspace = Path(environment.get("GITHUB_WORKSPACE") or ".").resolve()
        given = _Given(environment)
        jobs = given.text("jobs", "auto")
        if jobs != "auto" and (not re.fullmatch(r"[0-9]{1,3}", jobs) or int(jobs) < 1):
            raise UsageError(f"input jobs: {jobs!r} is neither auto nor a whole number above 0")
        cache = given.text("cache")
        reference = given.text("baseline", baseline.AUTOMATIC)
        config = given.text("config", DEFAULT_CONFIG)
        return cls(
            workspace=workspace,
            config=_path(workspace, "config", config),
            place=place_of(workspace, config),
            output=_path(workspace, "output", given.text("output", DEFAULT_OUTPUT)),
            models=tuple(given.text("models").replace(",", " ").split()),
            compiler=given.text("compiler") or None,
            jobs=None if jobs == "auto" else int(jobs),
            cache=_unresolved(workspace, "cache", cache) if cache else None,
            comment=given.choice("comment", MODES),
            comment_key=check_key(given.text("comment-key", "default")),
            checks=given.switch("checks"),
            release_tag=given.text("release-tag").removeprefix("refs/tags/"),
            release_files=tuple(filter(None, map(str.strip, given.lines("release-files")))),
            baseline=reference
            if reference in (baseline.AUTOMATIC, baseline.NONE)
            else _path(workspace, "baseline", reference),
            fail_on=FailOn(given.choice("fail-on", [str(item) for item in FailOn])),
            allow_custom_code=given.switch("allow-custom-code"),
            accept_compiler_terms=given.switch("accept-compiler-terms"),
            allow_untrusted_checkout=given.switch(checkout.INPUT),
            policy=given.choice("policy", POLICIES),
        )


class _Given:
    """What the runner gave; it keeps hyphens in names, other callers turn them into underscores."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str, default: str = "") -> str:
        for variable in (f"INPUT_{name.upper()}", f"INPUT_{name.upper().replace('-', '_')}"):
            if value := self._environment.get(variable, "").strip():
                return value
        return default

    def lines(self, name: str) -> list[str]:
        return self.text(name).splitlines()

    def choice(self, name: str, choices: Iterable[str]) -> str:
        """One of several words, the first of which is the default."""
        words = list(choices)
        value = self.text(name, words[0]).lower()
        if value not in words:
            raise UsageError(f"input {name}: {value!r} is none of {', '.join(words)}")
        return value

    def switch(self, name: str) -> bool:
        value = self.text(name).lower()
        if value not in (*_TRUE, *_FALSE):
            raise UsageError(f"input {name}: {value!r} is neither true nor false")
        return value in _TRUE


def _unresolved(workspace: Path, name: str, value: str) -> Path:
    """A path as it was named, links and all: whoever uses it asks where they lead."""
    normal = os.path.normpath(value)
    _path(workspace, name, normal)
    return workspace / normal


def _path(workspace: Path, name: str, value: str) -> Path:
    try:
        path = (workspace / value).resolve()
    except (OSError, RuntimeError, ValueError) as error:  # RuntimeError: a loop of links
        raise UsageError(f"input {name}: {value!r} is no path") from error
    if not path.is_relative_to(workspace):
        raise UsageError(f"input {name}: {value} lies outside of the workspace")
    if is_git_folder(path.relative_to(workspace)):
        raise UsageError(f"input {name}: {value} lies in Git's own folder")
    return path
