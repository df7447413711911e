"""Results kept by content: the same inputs, options and versions give the same result again.

An entry is a folder that appears whole or not at all, and is used only if every file in it still
has the SHA-256 that it was stored with. The folder can be kept by actions/cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_FORMAT = 1
_INDEX = "entry.json"
_MAX_INDEX_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """What was stored: plain data, and files by name."""

    data: dict[str, Any]
    files: dict[str, Path]


def key_of(stage: str, parts: Mapping[str, Any]) -> str:
    """The key of a result: SHA-256 over all that it depends on, as canonical JSON."""
    content = {"format": _FORMAT, "stage": stage, "parts": parts}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Cache:
    """A folder of entries; without a folder nothing is kept and nothing found."""

    folder: Path | None = None

    def find(self, key: str) -> Entry | None:
        """The entry of a key; None if there is none, or if it is damaged."""
        if self.folder is None:
            return None
        place = self._place(self.folder, key)
        try:
            index = place / _INDEX
            if index.stat().st_size > _MAX_INDEX_BYTES:
                return None
            stored = json.loads(index.read_bytes())
            files = {name: place / name for name in stored["files"]}
            if stored["key"] != key or not isinstance(stored["data"], dict):
                return None
            for name, path in files.items():
                if path.name != name or _sha256(path) != stored["files"][name]:
                    return None
            return Entry(stored["data"], files)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def store(self, key: str, data: dict[str, Any], files: Mapping[str, Path]) -> None:
        """Keep a result. A full disk or a folder that can't be written costs the entry, no more."""
        if self.folder is None:
            return
        place = self._place(self.folder, key)
        with contextlib.suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(prefix=".part-", dir=place.parent))
            try:
                digests = {}
                for name, path in files.items():
                    shutil.copyfile(path, partial / name)
                    digests[name] = _sha256(partial / name)
                index = {"key": key, "data": data, "files": digests}
                (partial / _INDEX).write_text(json.dumps(index), encoding="utf-8")
                # A damaged or older entry gives way; of two writers at once the first one wins.
                shutil.rmtree(place, ignore_errors=True)
                os.rename(partial, place)  # noqa: PTH104 - Path.rename says no more
            finally:
                shutil.rmtree(partial, ignore_errors=True)

    @staticmethod
    def _place(folder: Path, key: str) -> Path:
        return folder / key[:2] / key


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
