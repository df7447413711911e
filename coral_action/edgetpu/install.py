"""Getting the compiler where the user accepts its terms.

Google's terms forbid passing the compiler on, so it is fetched on the user's own machine into a
private folder, and is never part of an image, a shared cache, a release or an artifact.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from coral_action.edgetpu.unpack_compiler import unpack_compiler
from coral_action.errors import CompilerError, UsageError

ADDRESSES_VARIABLE = "EDGETPU_COMPILER_URL"  # one address, or several with spaces between
DIGEST_VARIABLE = "EDGETPU_COMPILER_SHA256"
ACCEPT_VARIABLE = "ACCEPT_COMPILER_TERMS"
_PROGRAM = Path("usr/bin/edgetpu_compiler")
_MAX_BYTES = 512 * 2**20
_SECONDS = 60  # without a byte
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class Source:
    """Where a package may be had. `sha256` is None where no trustworthy one is known."""

    url: str
    sha256: str | None


# The first is Google's own; no sha256 of it is published. The second has one, from a script of one
# project only, and was not seen working lately: it is tried last.
SOURCES = (
    Source(
        "https://packages.cloud.google.com/apt/pool/coral-edgetpu-stable/"
        "edgetpu-compiler_16.0_amd64_3ccd3b6ea6298eaaae6aa045764b3184.deb",
        None,
    ),
    Source(
        "https://github.com/ultralytics/assets/releases/download/v0.0.0/"
        "edgetpu-compiler_16.0_amd64.tar.gz",
        "f9a97adbf2ff621d24a91721191264f2abc3c1db31e63d9a266d988f907269ce",
    ),
)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The private folder for the compiler, below the user's own cache."""
    base = environment.get("XDG_CACHE_HOME")
    home = environment.get("HOME") or str(Path.home())
    root = Path(base) if base and Path(base).is_absolute() else Path(home) / ".cache"
    return root / "coral-quantize" / "edgetpu-compiler"


def installed_compiler(environment: Mapping[str, str]) -> Path | None:
    """The compiler that `install` left, if it is there."""
    program = cache_folder(environment) / _PROGRAM
    return program if program.is_file() and os.access(program, os.X_OK) else None


def install(
    environment: Mapping[str, str],
    *,
    accept_terms: bool,
    urls: Sequence[str] = (),
    sha256: str | None = None,
    allow_loopback_http: bool = False,
) -> Path:
    """Download, check and unpack the compiler; the path of the program.

    Args:
        environment: for the cache folder and the overriding addresses.
        accept_terms: the user has accepted the compiler's terms.
        urls: addresses in place of the known ones; they need `sha256`.
        sha256: what the download must have, in hexadecimal.
        allow_loopback_http: plain http to this machine, for tests.

    Raises:
        UsageError: terms not accepted, or an address without a sha256.
        CompilerError: no address gave a package with the right sha256, or it can't be unpacked.
    """
    if not accept_terms:
        raise UsageError(
            "the Edge TPU compiler is Google's, under terms that you have to accept",
            hint="read /usr/share/doc/edgetpu-compiler in the package or "
            "https://coral.ai/docs/edgetpu/compiler, then pass --accept-terms",
        )
    wanted = (sha256 or environment.get(DIGEST_VARIABLE) or "").strip().lower() or None
    if wanted is not None and (len(wanted) != 64 or set(wanted) - set("0123456789abcdef")):
        raise UsageError(f"not a sha256: {wanted}", hint="it has 64 hexadecimal digits")
    own = urls or tuple((environment.get(ADDRESSES_VARIABLE) or "").split())
    sources = [Source(url, None) for url in own] or list(SOURCES)
    for source in sources:
        _check_address(source.url, allow_loopback_http)
    if own and wanted is None:
        raise UsageError("an address of your own needs --sha256", hint="`sha256sum FILE` prints it")
    problems = []
    for source in sources:
        expected = wanted or source.sha256
        if expected is None:
            problems.append(f"{source.url}: no sha256 is known, give one with --sha256")
            continue
        try:
            return _install_from(source.url, expected, cache_folder(environment))
        except CompilerError as error:
            problems.append(f"{source.url}: {error.message}")
    raise CompilerError(
        f"the Edge TPU compiler could not be fetched: {'; '.join(problems)}",
        hint="download the package yourself, then pass `--url` and `--sha256`, or set "
        "EDGETPU_COMPILER to an installed one",
    )


def _check_address(url: str, allow_loopback_http: bool) -> None:
    parts = urlsplit(url)
    local = allow_loopback_http and parts.scheme == "http" and parts.hostname in _LOOPBACK
    if parts.scheme != "https" and not local:
        raise UsageError(f"{url}: only https addresses are fetched")


def _install_from(url: str, expected: str, folder: Path) -> Path:
    """Everything happens beside the folder; the finished tree is moved into place at the end."""
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="fetch-") as work:
        package = Path(work) / "package"
        digest = _download(url, package)
        if digest != expected:
            raise CompilerError(f"its sha256 is {digest}, not {expected}")
        tree = Path(work) / "tree"
        tree.mkdir(mode=0o700)
        unpack_compiler(package, tree)
        program = tree / _PROGRAM
        if not program.is_file():
            raise CompilerError(f"the package holds no {_PROGRAM}")
        program.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        tree.rename(folder)
    folder.chmod(0o700)
    return folder / _PROGRAM


def _download(url: str, target: Path) -> str:
    """Fetch a file; its sha256 in hexadecimal. Redirects may only lead to https."""
    import requests

    digest = hashlib.sha256()
    try:
        with requests.get(url, stream=True, timeout=_SECONDS) as reply:
            reply.raise_for_status()
            if url.startswith("https:") and not reply.url.startswith("https:"):
                raise CompilerError("it redirects to an address without encryption")
            with target.open("wb") as file:
                for chunk in reply.iter_content(1 << 16):
                    digest.update(chunk)
                    file.write(chunk)
                    if file.tell() > _MAX_BYTES:
                        raise CompilerError(f"larger than {_MAX_BYTES:,} bytes")
    except requests.RequestException as error:
        raise CompilerError(_short(error)) from error
    return digest.hexdigest()


def _short(error: Exception) -> str:
    reply = getattr(error, "response", None)
    if reply is not None:
        return f"the server answered {reply.status_code}"
    return f"can't be reached ({type(error).__name__})"
