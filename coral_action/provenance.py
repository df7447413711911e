"""What a result came from: hashes of inputs, versions of tools."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import stat
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action import __version__
from coral_action.config.downloads import downloads_of
from coral_action.errors import ModelError

if TYPE_CHECKING:
    from coral_action.config.paths import PathRules
    from coral_action.config.schema import Config, ModelConfig

_PACKAGES = ("tensorflow", "tensorflow-cpu", "keras", "ai-edge-litert", "numpy", "pillow")
# Of less interest to people, but they may shape a result, too.
_OTHER_PACKAGES = ("tf-keras", "onnx", "onnx2tf", "flatbuffers", "h5py", "protobuf", "ml-dtypes")
_PACKAGE = Path(__file__).resolve().parent
_READ_BYTES = 1 << 20
_MAX_SOURCE_BYTES = 2**34  # a file of a model has 2 GiB at most; a folder has a few


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


def model_hash(model: ModelConfig, config: Config) -> str:
    """The SHA-256 of all that coral.yml says of one model.

    That includes silenced findings, and the downloads that it names: which file a name stands for
    is said elsewhere in coral.yml.
    """
    named = {
        name: config.downloads[name].model_dump(mode="json")
        for name in downloads_of(model)
        if name in config.downloads
    }
    parts = [model.model_dump(mode="json"), sorted(config.ignore)]
    return sha256_of_data([*parts, named] if named else parts)


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
    # Opening never waits for a FIFO or wakes a device; some files of /proc have no end.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        digest, left = hashlib.sha256(), status.st_size
        while left > 0 and (chunk := file.read(min(left, _READ_BYTES))):
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest()


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
        for file_path in _files(path):
            name = file_path.relative_to(path).as_posix()
            digest.update(f"{name}\0{digest_of(file_path)}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error


def sha256_of_source(
    value: str, paths: PathRules, digest_of: Callable[[Path], str] = _read_sha256
) -> str:
    """The SHA-256 of a model that coral.yml names.

    Raises:
        ConfigError, ModelError: as `require_inside`, or if something can't be read.
    """
    path = paths.resolve(value)
    require_inside(path, paths)
    return sha256_of(path, digest_of)


def require_inside(path: Path, paths: PathRules) -> None:
    """Refuse a model folder with links that lead out of the workspace, before anything reads it.

    Raises:
        ConfigError: if it has such links.
        ModelError: if it is too large for a model.
    """
    try:
        size = 0
        for file in _files(path) if path.is_dir() else [path]:
            if file.is_symlink():
                paths.resolve(str(file))
            size += file.stat().st_size if file.is_file() else 0
    except OSError as error:
        raise ModelError(f"{path}: can't be read: {error.strerror}") from error
    if size > _MAX_SOURCE_BYTES:
        raise ModelError(
            f"{path}: {size:,} bytes are too many for a model ({_MAX_SOURCE_BYTES:,} at most)",
            hint="name the folder of the model alone",
        )


def _files(folder: Path) -> list[Path]:
    """All regular files of a folder, and links to such; links to folders are not gone through."""
    files = (Path(top, name) for top, _, names in os.walk(folder) for name in names)
    found = [path for path in files if path.is_file()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())
