"""What Git says of a stranger's checkout: with safe arguments, none of its hooks, and no token."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from coral_action.errors import UsageError

_SECONDS = 300
# A repository's own settings can name programs that Git would start.
_SETTINGS = ("core.fsmonitor=false", "core.hooksPath=/dev/null", "core.attributesFile=/dev/null")


def top_folder(folder: Path) -> Path:
    """The top of the working tree that a folder lies in, links followed.

    Raises:
        UsageError: if it lies in none, or Git is not there.
    """
    words = ["rev-parse", "--show-toplevel"]
    return Path(os.fsdecode(_git(folder, words, trusted="*").rstrip(b"\n"))).resolve()


def changed_paths(top: Path, reference: str) -> list[str]:
    """Paths, relative to the top folder, that differ from a commit, or that Git does not know.

    What is not committed yet counts, and so do ignored files: Git can't tell whether they changed.

    Raises:
        UsageError: if there is no such commit.
    """
    words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}"]
    commit = _git(top, words, wrong=f"{reference}: Git knows no such commit").decode().strip()
    compared = [
        *("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv"),
        *("--ignore-submodules=dirty", "--no-relative", "--end-of-options", commit, "--"),
    ]
    unknown = ["ls-files", "--others", "-z"]
    return split_paths(_git(top, compared)) + split_paths(_git(top, unknown))


def split_paths(output: bytes) -> list[str]:
    """Paths that are ended by NUL, as Git's `-z` prints them."""
    return [os.fsdecode(path) for path in output.split(b"\0") if path]


def _git(folder: Path, words: list[str], *, trusted: str = "", wrong: str = "") -> bytes:
    settings = [*_SETTINGS, f"safe.directory={trusted or folder}"]
    command = ["git", *(word for setting in settings for word in ("-c", setting)), *words]
    environment = {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "HOME": "/nonexistent",
    }
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
        )
    except FileNotFoundError as error:
        raise UsageError(
            "--changed-since needs Git, which is not there",
            hint="run Git elsewhere and give its list with --changed-files (docs/scale.md)",
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UsageError(f"git {words[0]} took longer than {_SECONDS} s") from error
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().splitlines()
        raise UsageError(
            wrong or f"git {words[0]} failed: {said[0] if said else done.returncode}",
            hint="a checkout of a workflow has one commit only: `fetch-depth: 0` gets all",
        )
    return done.stdout
