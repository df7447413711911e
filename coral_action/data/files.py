"""Finding and opening data files: regular files inside the workspace, nothing else."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import stat
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coral_action.config.paths import BrokenLinkError, PathRules
from coral_action.data.globbing import find_matches
from coral_action.data.samples import BadFileError
from coral_action.errors import DataError

MAX_FILE_BYTES = 1 << 30
_MAX_LISTED = 5_000_000
_GLOB = frozenset("*?[")
_PART = re.compile(r"-\d+-of-\d+$")


@dataclass(frozen=True)
class FileSet:
    """Files of one kind, sorted by name.

    Attributes:
        base: the folder that `paths` are relative to.
        paths: POSIX paths relative to `base`, as the file system spells them.
        names: the same, printable: bytes that are no UTF-8 and control characters are escaped.
        origin: what coral.yml names, for errors.
        groups: the class folder of each file, "" where there is none.
        folders: all class folders, sorted; of a folder that was walked also those without a file,
            which Keras counts, too.
    """

    base: Path
    paths: Sequence[str]
    names: Sequence[str]
    origin: str
    groups: Sequence[str]
    folders: Sequence[str]
    rules: PathRules
    walked: bool = False  # found below `base` without following a link

    def read(self, index: int) -> bytes:
        """The content of one file.

        Raises:
            BadFileError: if it is no regular file, can't be read or is larger than 1 GiB.
            ConfigError: if a link leads out of the workspace.
        """
        location, name = self.location(index), self.names[index]
        if self.walked and not os.path.islink(location):  # noqa: PTH114 - resolving costs 30 us
            return read_regular(location, name)
        return read_inside(self.rules, location, name)

    def location(self, index: int) -> str:
        """The path of one file, links not followed."""
        return os.path.join(self.base, self.paths[index])  # noqa: PTH118 - keeps any bytes

    def digest(self, index: int) -> str:
        """SHA-256 of the content of one file; of a file that can't be read, 64 zeros."""
        try:
            return hashlib.sha256(self.read(index)).hexdigest()
        except BadFileError:
            return "0" * 64


def read_inside(rules: PathRules, path: str, name: str) -> bytes:
    """The content of a regular file inside the workspace; errors as `FileSet.read`."""
    try:
        resolved = rules.resolve(path)
    except BrokenLinkError as error:
        raise BadFileError(f"{name}: a link that leads nowhere") from error
    return read_regular(resolved, name)


def read_regular(path: Path | str, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file; opening never waits for a FIFO or wakes a device.

    Raises:
        BadFileError: if it is anything else, can't be read, or is larger than `limit` bytes.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadFileError(
                    f"{name}: not a regular file", hint="folders, FIFOs and devices hold no samples"
                )
            if status.st_size > limit:
                raise BadFileError(f"{name}: {status.st_size:,} bytes are too many")
            return file.read(status.st_size)  # one read: Linux gives up to 2 GiB at once
    except OSError as error:
        raise BadFileError(f"{name}: can't be read ({error.strerror})") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def require_regular(path: Path, kind: str) -> None:
    """Refuse what is not a regular file, before a library opens it.

    Raises:
        DataError: if there is none.
    """
    if not path.exists():
        raise DataError(f"{printable(str(path))}: no such file")
    if not path.is_file():
        raise DataError(f"{printable(str(path))}: not a regular file, but `{kind}` takes one")


def printable(name: str) -> str:
    """A file name that can be shown anywhere: escapes for control characters and broken UTF-8."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def find_files(value: str, suffixes: frozenset[str], rules: PathRules, what: str) -> FileSet:
    """The files of a folder (with its subfolders), glob or list file.

    In a folder or glob, files with other suffixes and links to folders are passed over; a list
    file names its files, relative to itself, one a line; empty lines and `#` comments are skipped.

    Raises:
        DataError: if there is none.
        ConfigError: if the path lies outside of the workspace.
    """
    path = rules.resolve(value)
    walked = path.is_dir()
    if walked:
        base, found = path, _walk(path, suffixes)
    elif path.suffix.lower() in (".txt", ".lst") and path.is_file():
        base, found = path.parent, _listed(path)
    elif _GLOB & set(value):
        # Of what coral.yml says: a folder above it may have brackets in its name.
        parts = Path(value).parts
        fixed = list(itertools.takewhile(lambda part: not _GLOB & set(part), parts))
        base = rules.resolve(str(Path(*fixed)))
        matches = find_matches(base, parts[len(fixed) :])
        found = [match for match in matches if _suffix(match) in suffixes]
        _refuse_too_many(found, path)
    elif _suffix(path.name) in suffixes and path.is_file():
        base, found = path.parent, [path.name]
    elif path.is_file():
        raise DataError(
            f"{printable(str(path))}: its suffix is of no {what} that are known",
            hint=f"known kinds: {', '.join(sorted(suffixes))}; a .txt that lists files takes any",
        )
    else:
        raise DataError(
            f"{printable(str(path))}: no such folder",
            hint=f"name a folder of {what}, a glob such as data/*.png, or a .txt that lists files",
        )
    if not found:
        raise DataError(
            f"{printable(str(path))}: no {what} found",
            hint=f"known kinds: {', '.join(sorted(suffixes))}",
        )
    paths = sorted(found, key=lambda p: unicodedata.normalize("NFC", p))
    containing = path.is_file()  # a list's base folder says nothing of classes
    groups = [_group(p, containing=containing) for p in paths]
    names = [printable(p) for p in paths]
    folders = {group for group in groups if group} | (_folders(path) if walked else set())
    return FileSet(base, paths, names, str(path), groups, sorted(folders), rules, walked)


def _walk(folder: Path, suffixes: frozenset[str]) -> list[str]:
    found: list[str] = []
    for parent, folders, names in os.walk(folder):
        # Hidden means not the user's data: `.git`, or `._a.jpg` that macOS puts beside `a.jpg`.
        folders[:] = [name for name in folders if name[0] != "."]
        below = os.path.relpath(parent, folder)
        prefix = "" if below == "." else below + "/"
        found += [prefix + name for name in names if _suffix(name) in suffixes and name[0] != "."]
        _refuse_too_many(found, folder)
    return found


def _folders(folder: Path) -> set[str]:
    """The folders in a folder, links and hidden ones aside."""
    with os.scandir(folder) as entries:
        return {
            printable(entry.name)
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."
        }


def _refuse_too_many(found: Sequence[str], path: Path) -> None:
    if len(found) > _MAX_LISTED:
        raise DataError(
            f"{printable(str(path))}: more than {_MAX_LISTED:,} files",
            hint="name a folder or glob that holds fewer, or a list file",
        )


def _listed(path: Path) -> list[str]:
    lines = os.fsdecode(read_regular(path, printable(path.name))).lstrip("\ufeff").splitlines()
    stripped = (line.strip() for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def _suffix(name: str) -> str:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - runs for every file of a folder
    # A part of a set has its number behind: `train.tfrecord-00000-of-00010`.
    return _PART.sub("", suffix) if "-of-" in suffix else suffix


def _group(path: str, *, containing: bool) -> str:
    parts = path.split("/")[:-1]
    if not parts:
        return ""
    return printable(parts[-1] if containing else parts[0])
