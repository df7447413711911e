"""What a result came from: hashes of inputs, versions of tools."""

from __future__ import annotations

import hashlib
import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action import __version__
from coral_action.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coral_action.config.schema import Config, ModelConfig

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")


def tool_versions() -> dict[str, str]:
    """Versions of this program and of all that shapes its results, without importing them."""
    versions = {"coral-quantize": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            # tensorflow-cpu is TensorFlow; users know it by that name.
            versions[name.removesuffix("-cpu")] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def config_hash(config: Config) -> str:
    """The SHA-256 of what coral.yml says; its comments and layout don't count."""
    return sha256_of_data(config.model_dump(mode="json"))


def model_hash(model: ModelConfig, ignored: Iterable[str]) -> str:
    """The SHA-256 of all that coral.yml says of one model, silenced findings included."""
    return sha256_of_data([model.model_dump(mode="json"), sorted(ignored)])


def sha256_of_data(data: Any) -> str:
    """The SHA-256 of plain data: of its JSON, with sorted keys and without blanks."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, or of a folder: over the sorted paths and SHA-256 of its files.

    Raises:
        ModelError: if something can't be read.
    """
    try:
        if not path.is_dir():
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        files = [p for p in path.rglob("*") if p.is_file()]
        for file_path in sorted(files, key=lambda p: p.relative_to(path).as_posix()):
            name = file_path.relative_to(path).as_posix()
            digest.update(f"{name}\0{sha256_of(file_path)}\n".encode())
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error
