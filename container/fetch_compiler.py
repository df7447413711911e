"""Fetches the Edge TPU compiler from a Debian package repository and unpacks it.

Usage: python fetch_compiler.py --repository URL --version 16.0 --keys "KEY ..." --output DIR

Run while the `bundled` image is built, on the machine of someone who may use the compiler. The
chain of trust is Debian's (apt-secure(8)): a pinned key signs InRelease, which has the hash of
Packages, which has the hash of the package. Its licence stays beside it, in
usr/share/doc/edgetpu-compiler.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import re
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

SUITE = "coral-edgetpu-stable"
PACKAGE = "edgetpu-compiler"
PROGRAM = Path("usr/bin/edgetpu_compiler")
DOCUMENTATION = Path("usr/share/doc/edgetpu-compiler")
_SECONDS = 60
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def main() -> None:
    """Fetch, check, unpack; any failure ends the build with one line that says why."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repository", required=True, help="where dists/ and pool/ lie")
    parser.add_argument("--version", required=True, help="upstream version, 16.0")
    parser.add_argument("--keys", required=True, help="fingerprints of the keys that may sign")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        package = fetch(arguments.repository.rstrip("/"), arguments.version, arguments.keys.split())
        unpack(package, arguments.output)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise SystemExit(
            f"the Edge TPU compiler could not be had: {error}\n"
            "Build the image without it: docker build --target published ."
        ) from error


def fetch(repository: str, version: str, keys: list[str]) -> bytes:
    """The .deb of a version, its bytes vouched for by one of the keys.

    Raises:
        ValueError: a signature or hash is wrong, or the version is not there.
        OSError: the repository can't be reached.
    """
    in_release = signed_text(
        download(f"{repository}/dists/{SUITE}/InRelease"),
        dearmor(download(f"{repository}/doc/apt-key.gpg")),
        keys,
    )
    name = "main/binary-amd64/Packages"
    hashes = sha256_of_files(in_release)
    compressed = f"{name}.gz" in hashes
    path = f"{name}.gz" if compressed else name
    if path not in hashes:
        raise ValueError(f"InRelease lists no {name}")
    index = checked(download(f"{repository}/dists/{SUITE}/{path}"), hashes[path], path)
    text = (gzip.decompress(index) if compressed else index).decode()
    entry = find_package(text, version)
    return checked(download(f"{repository}/{entry['Filename']}"), entry["SHA256"], PACKAGE)


def download(url: str) -> bytes:
    """The content of an address; https, or anything on this machine itself.

    Raises:
        ValueError: another address.
        OSError: it can't be had.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ValueError(f"{url}: only https addresses are fetched")
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as reply:  # noqa: S310
            content: bytes = reply.read()
    except urllib.error.URLError as error:
        raise OSError(f"{url}: {error}") from error
    return content


def dearmor(key: bytes) -> bytes:
    """A binary OpenPGP keyring, from itself or from ASCII armor (RFC 9580, section 6)."""
    if not key.lstrip().startswith(b"-----BEGIN"):
        return key
    blocks = re.findall(rb"-----BEGIN [^\n]*\n(.*?)\n-----END", key, re.S)
    binary = b""
    for block in blocks:
        body = block.replace(b"\r", b"").partition(b"\n\n")[2] or block
        lines = [line for line in body.split(b"\n") if line and not line.startswith(b"=")]
        binary += base64.b64decode(b"".join(lines))
    return binary


def signed_text(in_release: bytes, keyring: bytes, keys: list[str]) -> str:
    """The text of a clear-signed file, if one of the keys signed it.

    Raises:
        ValueError: no valid signature by one of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        ring, message, text = (Path(folder, name) for name in ("ring.gpg", "message", "text"))
        ring.write_bytes(keyring)
        message.write_bytes(in_release)
        command = ["gpgv", "--keyring", str(ring), "--status-fd", "1", "--output", str(text)]
        result = subprocess.run(
            [*command, str(message)], capture_output=True, text=True, errors="replace"
        )
        # gpgv's doc/DETAILS: the last field of VALIDSIG is the fingerprint of the primary key.
        valid = {
            line.split()[-1]
            for line in result.stdout.splitlines()
            if line.startswith("[GNUPG:] VALIDSIG ")
        }
        if not valid & {key.upper() for key in keys}:
            said = [line for line in result.stderr.splitlines() if line.strip()]
            raise ValueError(
                f"InRelease is not signed by a pinned key ({', '.join(sorted(valid)) or 'none'}); "
                f"{said[-1] if said else 'gpgv said nothing'}"
            )
        return text.read_text()


def sha256_of_files(in_release: str) -> dict[str, str]:
    """The SHA256 section of a Release file: hash by path."""
    section = re.search(r"^SHA256:\n((?: .*\n?)+)", in_release, re.M)
    if section is None:
        raise ValueError("InRelease has no SHA256 section")
    rows = [line.split() for line in section[1].splitlines()]
    return {path: digest for digest, _, path in rows}


def find_package(packages: str, version: str) -> dict[str, str]:
    """The fields of the wanted package; `16.0` also finds a Debian revision, `16.0-1`.

    Raises:
        ValueError: if it is not there.
    """
    found = []
    for paragraph in packages.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z0-9-]+): (.*)$", paragraph, re.M))
        if fields.get("Package") == PACKAGE:
            if fields["Version"].partition("-")[0] == version:
                return fields
            found.append(fields["Version"])
    raise ValueError(f"no {PACKAGE} {version}; there is {', '.join(found) or 'none'}")


def checked(content: bytes, sha256: str, name: str) -> bytes:
    """The content, if it has the hash.

    Raises:
        ValueError: if it has another.
    """
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256.lower():
        raise ValueError(f"{name}: sha256 is {digest}, not {sha256}")
    return content


def unpack(package: bytes, output: Path) -> None:
    """Unpack the program and its licence below `output`.

    Raises:
        ValueError: the program or its documentation, which holds the licence, is not in it.
        CalledProcessError: it is no package.
    """
    with tempfile.NamedTemporaryFile(suffix=".deb") as file:
        file.write(package)
        file.flush()
        output.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["dpkg-deb", "--extract", file.name, str(output)],  # noqa: S607
            check=True,
        )
    for needed in (PROGRAM, DOCUMENTATION):
        if not (output / needed).exists():
            raise ValueError(f"the package holds no {needed}")


if __name__ == "__main__":
    main()
