"""Files that coral.yml names by their address and SHA-256: fetched once, checked, unpacked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.config.download_schema import DownloadConfig
from coral_action.config.downloads import downloads_of
from coral_action.config.paths import DOWNLOAD
from coral_action.config.schema import ModelConfig
from coral_action.errors import ConfigError, CoralQuantizeError
from coral_action.isolation import Limits, Reading, run_isolated

if TYPE_CHECKING:
    from coral_action.download.fetch import Network

__all__ = ["Fetched", "downloads_of", "fetch"]

_UNPACKING = Limits(seconds=900, memory_bytes=2 * 2**30)


@dataclass
class Fetched:
    """What is there, and what went wrong with the rest, both by the names in coral.yml."""

    paths: dict[str, Path] = field(default_factory=dict)
    errors: dict[str, CoralQuantizeError] = field(default_factory=dict)

    def error_of(self, model: ModelConfig) -> CoralQuantizeError | None:
        """The first error among what a model needs."""
        return next((self.errors[n] for n in downloads_of(model) if n in self.errors), None)


def fetch(
    downloads: Mapping[str, DownloadConfig],
    models: Iterable[ModelConfig],
    folder: Path,
    environment: Mapping[str, str],
    network: Network | None = None,
) -> Fetched:
    """Fetch what some models need; one that fails never stops the others.

    Args:
        downloads: that section of coral.yml.
        models: those that are made in this run.
        folder: an empty folder of this run; each download has a folder of its own in it.
        environment: says where the user's cache is.
        network: another way out, for tests.
    """
    fetched = Fetched()
    needed = dict.fromkeys(name for model in models for name in downloads_of(model))
    if not needed:
        return fetched
    # Late, as few need it: the modules for TLS take 20 ms.
    from coral_action.download.cache import cache_folder, cached
    from coral_action.download.fetch import Network

    for number, name in enumerate(needed):
        try:
            if name not in downloads:
                raise ConfigError(f"{DOWNLOAD}{name}: `downloads` has no {name}")
            file = cached(downloads[name], cache_folder(environment), network or Network())
            place = folder / str(number)
            place.mkdir(mode=0o755)
            fetched.paths[name] = _placed(file, name, downloads[name], place)
        except CoralQuantizeError as error:
            fetched.errors[name] = error
    return fetched


def _placed(file: Path, name: str, config: DownloadConfig, folder: Path) -> Path:
    """The file where a child process may read it, or the folder of what was in it."""
    if not config.is_archive:
        named = name if name.lower().endswith(config.suffix) else f"{name}{config.suffix}"
        _share(file, folder / named)
        return folder / named
    package, target = folder / "package", folder / "unpacked"
    _share(file, package)
    target.mkdir(mode=0o755)
    request = {"package": str(package), "folder": str(target), "name": config.url}
    # A stranger packed it: like a model, it is opened by a child process only.
    run_isolated(
        "coral_action.download.archive:unpack_task",
        request,
        stage="unpacking",
        limits=_UNPACKING,
        reading=Reading((package,)),
        writable=[target],
    )
    package.unlink()
    return target


def _share(file: Path, target: Path) -> None:
    """The same file in another place; the cache itself is private."""
    try:
        os.link(file, target)
    except OSError:
        shutil.copyfile(file, target)
        target.chmod(0o444)
