"""What a result came from: hashes of inputs, versions of tools."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action import __version__
from coral_action.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coral_action.config.schema import Config, ModelConfig

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")
# Of less interest to people, but they may shape a result, too.
_OTHER_PACKAGES = ("tf-keras", "onnx", "onnx2tf", "flatbuffers", "h5py", "protobuf", "ml-dtypes")
_PACKAGE = Path(__file__).resolve().parent


def tool_versions() -> dict[str, str]:
    """Versions of this program and of all that shapes its results, without importing them."""
    # tensorflow-cpu is TensorFlow; users know it by that name.
    found = {name.removesuffix("-cpu"): number for name, number in _installed(_PACKAGES).items()}
    return {"coral-quantize": __version__, "python": platform.python_version(), **found}


@cache
def _installed(names: tuple[str, ...]) -> dict[str, str]:
    """The version of each package that is there; 2 ms each."""
    versions = {}
    for name in names:
        try:
            versions[name] = version(name)
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


def build_of_tools() -> dict[str, str]:
    """All about this program and machine that a result may depend on.

    More than `tool_versions`: the code of this program itself, as an action can be used by a branch
    whose version does not change, and the kind of machine (not the CPU within its kind).
    """
    code = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE).as_posix()
        code.update(f"{name}\0{sha256_of(path)}\n".encode())
    return {
        **tool_versions(),
        **_installed(_OTHER_PACKAGES),
        "code": code.hexdigest(),
        "machine": f"{platform.system()} {platform.machine()}",
    }


def _read_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path, digest_of: Callable[[Path], str] = _read_sha256) -> str:
    """The SHA-256 of a file, or of a folder: over the sorted paths and SHA-256 of its files.

    Args:
        path: the file or folder.
        digest_of: the SHA-256 of a file, for callers who know some already.

    Raises:
        ModelError: if something can't be read.
    """
    try:
        if not path.is_dir():
            return digest_of(path)
        digest = hashlib.sha256()
        files = [p for p in path.rglob("*") if p.is_file()]
        for file_path in sorted(files, key=lambda p: p.relative_to(path).as_posix()):
            name = file_path.relative_to(path).as_posix()
            digest.update(f"{name}\0{digest_of(file_path)}\n".encode())
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error
