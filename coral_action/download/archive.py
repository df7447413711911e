"""Unpacking a stranger's archive: files and folders, so many and so large, and nothing else.

Runs in a child process. No link, device or FIFO is made, no name leads out of the folder, and what
an archive declares is held against what comes out of it.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from coral_action.errors import DownloadError
from coral_action.isolation import Json, ProgressCallback

_CHUNK = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,  # a compression that this Python does not know
    RuntimeError,  # encrypted
    ValueError,
    OSError,
)


@dataclass(frozen=True)
class Bounds:
    """What may come out of an archive at most."""

    files: int = 100_000
    total_bytes: int = 8 * 2**30
    ratio: int = 200  # bytes for each byte of the archive ...
    free_bytes: int = 64 * 2**20  # ... once more than this came out
    depth: int = 30
    name_characters: int = 1_000


@dataclass
class _Writer:
    """The folder, and how much of the bounds is used up."""

    folder: Path
    packed_bytes: int
    bounds: Bounds
    files: int = 0
    written: int = 0
    made: set[PurePosixPath] = field(default_factory=set)

    def folder_of(self, name: str) -> None:
        """A folder that the archive names."""
        self._count()
        self._make(self._place(name))

    def file(self, name: str, content: IO[bytes]) -> None:
        """A file that the archive holds."""
        self._count()
        place = self._place(name)
        self._make(place.parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            descriptor = os.open(self.folder / place, flags, 0o644)
        except FileExistsError:
            raise _Refused(f"two entries are called {name[:100]!r}") from None
        with os.fdopen(descriptor, "wb") as file:
            while chunk := content.read(_CHUNK):
                self.written += len(chunk)
                self._check_size()
                file.write(chunk)

    def _count(self) -> None:
        self.files += 1
        if self.files > self.bounds.files:
            raise _Refused(f"more than {self.bounds.files:,} files")

    def _check_size(self) -> None:
        if self.written > self.bounds.total_bytes:
            raise _Refused(f"more than {self.bounds.total_bytes:,} bytes when unpacked")
        most = max(self.bounds.free_bytes, self.bounds.ratio * self.packed_bytes)
        if self.written > most:
            raise _Refused(f"more than {self.bounds.ratio} times its size when unpacked")

    def _place(self, name: str) -> PurePosixPath:
        """The relative path of an entry; whatever could be read as another one is refused."""
        place = PurePosixPath(name)
        odd = not name.isprintable() or "\\" in name or ":" in name
        long = len(name) > self.bounds.name_characters or len(place.parts) > self.bounds.depth
        if odd or long or place.is_absolute() or ".." in place.parts or not place.parts:
            if name.rstrip("/") in (".", ""):
                return PurePosixPath(".")
            raise _Refused(f"an entry is called {name[:100]!r}")
        return place

    def _make(self, place: PurePosixPath) -> None:
        if place in self.made:
            return
        try:
            (self.folder / place).mkdir(mode=0o755, parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise _Refused(f"{str(place)[:100]!r} is a file and a folder") from None
        self.made.add(place)


class _Refused(Exception):  # noqa: N818 - it is no fault of this program
    """The archive holds what may not be unpacked."""


def unpack_task(request: Json, progress: ProgressCallback) -> Json:
    """`unpack`, as a task of a child process."""
    return {"files": unpack(Path(request["package"]), Path(request["folder"]), request["name"])}


def unpack(package: Path, folder: Path, name: str, bounds: Bounds | None = None) -> int:
    """Unpack a .zip or .tar (plain, gzip, bzip2 or xz, told by its content) into an empty folder.

    Returns:
        How many entries it had.

    Raises:
        DownloadError: if it is neither, is damaged, or holds what may not be unpacked; what was
            unpacked so far is left there.
    """
    writer = _Writer(folder, package.stat().st_size, bounds or Bounds())
    try:
        with package.open("rb") as file:
            is_zip = file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
        if is_zip:
            with zipfile.ZipFile(package) as archive:
                _unzip(archive, writer)
        else:
            _untar(package, writer)
    except _Refused as refused:
        raise DownloadError(f"{name}: not unpacked: {refused}") from None
    except _DAMAGED as error:
        why = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise DownloadError(
            f"{name}: no archive that can be read: {why}",
            hint=".zip, .tar, .tar.gz, .tar.bz2 and .tar.xz are unpacked; `unpack: false` leaves "
            "the file as it is",
        ) from error
    return writer.files


def _unzip(archive: zipfile.ZipFile, writer: _Writer) -> None:
    for entry in archive.infolist():
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise _Refused(f"{entry.filename[:100]!r} is neither a file nor a folder")
        if entry.is_dir():
            writer.folder_of(entry.filename)
        else:
            with archive.open(entry) as content:
                writer.file(entry.filename, content)


def _untar(package: Path, writer: _Writer) -> None:
    # As a stream: nothing is read twice, and nothing is believed of what comes later.
    with _opened(package) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        for entry in _entries(archive):
            if entry.isdir():
                writer.folder_of(entry.name)
            elif entry.isreg() and not entry.issparse():
                content = archive.extractfile(entry)
                if content is not None:
                    writer.file(entry.name, content)
            else:
                raise _Refused(f"{entry.name[:100]!r} is neither a file nor a folder")


def _entries(archive: tarfile.TarFile) -> Iterable[tarfile.TarInfo]:
    while (entry := archive.next()) is not None:
        archive.members = []  # type: ignore[attr-defined] # it would keep them all
        yield entry


def _opened(package: Path) -> IO[bytes] | gzip.GzipFile:
    with package.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(package)
    if start.startswith(b"BZh"):
        return bz2.open(package)
    if start.startswith(b"\xfd7zXZ\0"):
        return lzma.open(package)
    return package.open("rb")
