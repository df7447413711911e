"""What `--version` prints: this program and all that shapes its results."""

from __future__ import annotations

import os

from coral_action.edgetpu import compiler_version, find_compiler
from coral_action.errors import CompilerError, CoralQuantizeError
from coral_action.provenance import tool_versions


def version_text() -> str:
    """One tool a line; TensorFlow is not imported, the compiler is asked where it is found."""
    return "\n".join(f"{name} {version}" for name, version in known_versions().items())


def known_versions() -> dict[str, str]:
    """Versions by name."""
    return {**tool_versions(), "edgetpu_compiler": _compiler()}


def _compiler() -> str:
    try:
        path = find_compiler(None, os.environ)
        return "not used" if path is None else compiler_version(path)
    except CompilerError:
        return "does not work"
    except CoralQuantizeError:
        return "not found"
