"""The section of coral.yml that names files elsewhere, for models and data that are in no Git."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from coral_action.config.section import Section

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def check_address(value: str) -> str:
    """An https address without credentials, spelled so that all programs read it alike.

    Raises:
        ValueError: if it is anything else.
    """
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"no address: {error}") from error
    if parts.scheme != "https" or port == 0:
        raise ValueError("must begin with https://")
    if "@" in parts.netloc:
        raise ValueError("credentials don't belong into coral.yml: only public files are fetched")
    if not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError("must name a host, by letters, digits, dots and hyphens")
    if not value.isascii() or not value.isprintable() or any(c in value for c in ' \\"<>'):
        raise ValueError("must be plain ASCII; write other characters as %XX")
    return value


class DownloadConfig(Section):
    """One file to fetch: the same bytes each time, or an error."""

    url: Annotated[str, StringConstraints(max_length=2000), AfterValidator(check_address)] = Field(
        description="An https address. No credentials are sent, and no address of a private "
        "network is asked."
    )
    sha256: Annotated[
        str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$"), AfterValidator(str.lower)
    ] = Field(description="SHA-256 of the file, in hexadecimal; `sha256sum FILE` prints it.")
    unpack: bool | None = Field(
        None,
        description="Whether it is an archive (.zip, .tar, .tar.gz, .tar.bz2, .tar.xz) that is "
        "unpacked; without it, the ending of the address says.",
    )

    @property
    def is_archive(self) -> bool:
        """Whether the file is to be unpacked."""
        return self._name.endswith(_ARCHIVES) if self.unpack is None else self.unpack

    @property
    def suffix(self) -> str:
        """The ending of the address, such as `.keras`, which some programs go by."""
        found = PurePosixPath(self._name).suffix
        return found if re.fullmatch(r"\.[a-z0-9]{1,12}", found) else ""

    @property
    def _name(self) -> str:
        return PurePosixPath(unquote(urlsplit(self.url).path)).name.lower()


DownloadName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Downloads = dict[DownloadName, DownloadConfig]
