"""Results kept by content: the same inputs, options and versions give the same result again.

An entry is a folder that appears whole or not at all, and is used only if every file in it still
has the SHA-256 that it was stored with: that finds damage, not malice. The folder can be kept by
actions/cache. No link in it is followed, and nothing but plain files is opened.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.output_files import open_regular, take_file
from coral_action.scratch import is_left_over, process_mark

NONE = "none"
DEFAULT_LIMIT_BYTES = 2 * 2**30
_FORMAT = 1
_INDEX = "entry.json"
MAX_FILE_BYTES = 2**31  # what a flatbuffer can hold
_MAX_INDEX_BYTES = 64 * 2**20
_PARTIAL = ".part-"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# What somebody else's entry can make of reading it; as if there were none.
_NO_ENTRY = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    MemoryError,
)


def cache_folder(wanted: str | None, environment: Mapping[str, str]) -> Path | None:
    """The folder of the cache: what was asked for, else in the user's own; None for `none`."""
    if wanted == NONE:
        return None
    if wanted:
        return Path(wanted)
    base = environment.get("XDG_CACHE_HOME", "")
    home = environment.get("HOME", "")
    if Path(base).is_absolute():
        return Path(base) / "coral-quantize" / "results"
    return Path(home) / ".cache" / "coral-quantize" / "results" if home else None


@dataclass(frozen=True)
class Entry:
    """What was stored: plain data, and copies of the files by name."""

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
    limit_bytes: int = DEFAULT_LIMIT_BYTES

    def find(self, key: str, into: Path) -> Entry | None:
        """The entry of a key, its files copied into a folder; None if there is none whole.

        The copies are what is checked, so nothing that happens to the cache later can matter. Where
        there is no entry, copies may be left in the folder all the same.
        """
        if self.folder is None:
            return None
        try:
            with _opened(self.folder, *_way(key)) as place:
                stored = _read_index(place)
                if stored["key"] != key or not isinstance(stored["data"], dict):
                    return None
                files = {}
                for name, digest in stored["files"].items():
                    if Path(name).name != name:
                        return None
                    files[name] = into / name
                    take_file(Path(name), files[name], MAX_FILE_BYTES, place)
                    if _sha256(files[name]) != digest:
                        return None
                # Used just now: the last one to be evicted.
                os.utime(_INDEX, dir_fd=place, follow_symlinks=False)
                return Entry(stored["data"], files)
        except _NO_ENTRY:
            return None

    def store(self, key: str, data: dict[str, Any], files: Mapping[str, Path]) -> None:
        """Keep a result. A full disk or a folder that can't be written costs the entry, no more."""
        if self.folder is None:
            return
        place = self.folder.joinpath(*_way(key))
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in (place.parent.parent, place.parent):
                folder.mkdir(exist_ok=True)
                if folder.is_symlink():
                    return  # whoever made it wants entries to go elsewhere
            prefix = f"{_PARTIAL}{process_mark()}-"
            partial = Path(tempfile.mkdtemp(prefix=prefix, dir=place.parent))
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

    def prune(self) -> None:
        """Remove what killed runs left, and what was not used for longest beyond the limit."""
        if self.folder is None:
            return
        entries = []
        for place in self._places(self.folder):
            if place.name.startswith(_PARTIAL):
                if is_left_over("-".join(place.name.removeprefix(_PARTIAL).split("-")[:2])):
                    shutil.rmtree(place, ignore_errors=True)
                continue
            with contextlib.suppress(OSError):
                used = (place / _INDEX).lstat().st_mtime_ns
                entries.append((used, sum(f.lstat().st_size for f in place.iterdir()), place))
        total = sum(size for _, size, _ in entries)
        for _, size, place in sorted(entries):
            if total <= self.limit_bytes:
                break
            shutil.rmtree(place, ignore_errors=True)
            total -= size

    @staticmethod
    def _places(folder: Path) -> Iterator[Path]:
        """Folders of entries; what a link leads to is none of ours to remove."""
        with contextlib.suppress(OSError):
            for group in _real_folders(folder / "entries"):
                with contextlib.suppress(OSError):
                    yield from _real_folders(group)


def _way(key: str) -> tuple[str, str, str]:
    """The folders that lead from the cache to an entry."""
    return "entries", key[:2], key


def _real_folders(folder: Path) -> Iterator[Path]:
    if not folder.is_symlink():
        yield from (path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())


@contextlib.contextmanager
def _opened(folder: Path, *names: str) -> Iterator[int]:
    """A descriptor of a folder below another; OSError where a link is on the way."""
    with contextlib.ExitStack() as opened:
        descriptor: int | None = None
        for name in (str(folder), *names):
            flags = _FOLDER if descriptor is None else _FOLDER | os.O_NOFOLLOW
            descriptor = os.open(name, flags, dir_fd=descriptor)
            opened.callback(os.close, descriptor)
        assert descriptor is not None  # noqa: S101 - the first one is always opened
        yield descriptor


def _read_index(place: int) -> dict[str, Any]:
    with open_regular(Path(_INDEX), _MAX_INDEX_BYTES, place) as file:
        stored: dict[str, Any] = json.loads(file.read(_MAX_INDEX_BYTES))
    return stored


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
