"""The user's private store of what was fetched, by SHA-256: what is in it needs no network."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from coral_action.config.download_schema import DownloadConfig
from coral_action.download.fetch import Network, fetch_to
from coral_action.errors import DownloadError


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Below the user's own cache (XDG Base Directory Specification)."""
    base = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME") or str(Path.home())
    root = Path(base) if base and Path(base).is_absolute() else Path(home) / ".cache"
    return root / "coral-quantize" / "downloads"


def cached(config: DownloadConfig, folder: Path, network: Network) -> Path:
    """The file, fetched where it is not there yet; its hash is checked each time.

    Raises:
        DownloadError: if it can't be fetched, or is another file than the one that is named.
    """
    target = folder / config.sha256
    try:
        if target.is_file() and not target.is_symlink():
            if _digest(target) == config.sha256:
                return target
            target.unlink()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix="fetch-") as work:
            partial = Path(work) / "file"
            found = fetch_to(config.url, partial, network)
            if found != config.sha256:
                raise DownloadError(
                    f"{config.url}: its SHA-256 is {found}, not {config.sha256}",
                    hint="somebody changed the file, or coral.yml names another one",
                )
            partial.chmod(0o444)
            partial.replace(target)
    except OSError as error:
        raise DownloadError(f"{config.url}: can't be stored: {error.strerror or error}") from error
    return target


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
