"""Unpacking a .deb or a .tar.gz without root, with the standard library alone."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from coral_action.errors import CompilerError

_AR = b"!<arch>\n"
_AR_HEADER = 60
_MAX_UNPACKED = 2 * 2**30
_MAX_FILES = 20_000


def unpack_compiler(package: Path, folder: Path) -> None:
    """Unpack a package below `folder`; nothing is written outside of it.

    Raises:
        CompilerError: if it is neither a .deb nor a tar file, or is damaged or unsafe.
    """
    with package.open("rb") as file:
        is_deb = file.read(len(_AR)) == _AR
    try:
        if is_deb:
            with tarfile.open(fileobj=io.BytesIO(_deb_data(package))) as archive:
                _extract(archive, folder)
        else:
            with tarfile.open(package) as archive:
                _extract(archive, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise CompilerError(f"it can't be unpacked: {error}") from error


def _deb_data(package: Path) -> bytes:
    """The `data.tar.*` member of a .deb, which is an `ar` archive (deb(5))."""
    content = package.read_bytes()
    position = len(_AR)
    while position + _AR_HEADER <= len(content):
        header = content[position : position + _AR_HEADER]
        name = header[:16].decode("ascii", "replace").strip().rstrip("/")
        size_text = header[48:58].strip()
        if header[58:60] != b"`\n" or not size_text.isdigit():
            raise CompilerError("it can't be unpacked: a damaged .deb")
        start, size = position + _AR_HEADER, int(size_text)
        if start + size > len(content):
            raise CompilerError("it can't be unpacked: the .deb is cut off")
        if name.startswith("data.tar"):
            if name.endswith(".zst"):
                raise CompilerError(
                    "it can't be unpacked: this .deb is compressed with zstd, which needs "
                    "`dpkg-deb --extract`"
                )
            return content[start : start + size]
        position = start + size + size % 2
    raise CompilerError("it can't be unpacked: no data.tar in the .deb")


def _extract(archive: tarfile.TarFile, folder: Path) -> None:
    members = archive.getmembers()
    if len(members) > _MAX_FILES or sum(member.size for member in members) > _MAX_UNPACKED:
        raise CompilerError("it can't be unpacked: too many or too large files")
    # The `data` filter refuses absolute paths, `..`, devices, and links that lead outside.
    archive.extractall(folder, members=members, filter="data")
