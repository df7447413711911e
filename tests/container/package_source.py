"""A package repository on this machine with a stand-in for the Edge TPU compiler.

It is signed by a key of its own, has the shape of Coral's (apt-secure(8), deb(5)), and nothing of
Google's is in it.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUITE = "coral-edgetpu-stable"
LICENCE = "A stand-in. It may be passed on.\n"
PROGRAM = "#!/bin/sh\necho 'Edge TPU Compiler version 16.0.384591198 (stand-in)'\n"


@dataclass(frozen=True)
class Repository:
    """A folder to be served, and the fingerprint of the key that signs it."""

    folder: Path
    fingerprint: str

    @property
    def package(self) -> Path:
        """The stand-in's .deb."""
        return next(self.folder.glob("pool/*.deb"))

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Serve it on loopback; its address."""
        handler = functools.partial(_Quiet, directory=str(self.folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def make_repository(folder: Path, *, with_licence: bool = True) -> Repository:
    """Write a repository with one package."""
    tree, root = folder / "tree", folder / "root"
    (tree / "usr/bin").mkdir(parents=True)
    program = tree / "usr/bin/edgetpu_compiler"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    if with_licence:
        documentation = tree / "usr/share/doc/edgetpu-compiler"
        documentation.mkdir(parents=True)
        (documentation / "copyright").write_text(LICENCE)
    (tree / "DEBIAN").mkdir()
    control = (
        "Package: edgetpu-compiler\nVersion: 16.0\nArchitecture: amd64\n"
        "Maintainer: nobody <nobody@example.org>\nDescription: a stand-in\n"
    )
    (tree / "DEBIAN/control").write_text(control)
    package = root / "pool/edgetpu-compiler_16.0_amd64.deb"
    package.parent.mkdir(parents=True)
    _run("dpkg-deb", "--root-owner-group", "--build", tree, package)
    index = root / f"dists/{SUITE}/main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    content = package.read_bytes()
    index.write_text(
        f"{control}Filename: {package.relative_to(root)}\nSize: {len(content)}\n"
        f"SHA256: {hashlib.sha256(content).hexdigest()}\n"
    )
    listed = index.read_bytes()
    release = root / f"dists/{SUITE}/Release"
    release.write_text(
        f"Origin: stand-in\nSuite: {SUITE}\nArchitectures: amd64\nComponents: main\nSHA256:\n"
        f" {hashlib.sha256(listed).hexdigest()} {len(listed)} main/binary-amd64/Packages\n"
    )
    home = folder / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "")
    _run(*gpg, "--quick-gen-key", "stand-in <nobody@example.org>", "rsa2048", "sign", "never")
    _run(*gpg, "--output", release.with_name("InRelease"), "--clearsign", release)
    (root / "doc").mkdir()
    _run(*gpg, "--armor", "--output", root / "doc/apt-key.gpg", "--export")
    keys = _run(*gpg, "--with-colons", "--list-keys")
    fingerprint = next(line.split(":")[9] for line in keys.splitlines() if line.startswith("fpr"))
    subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)
    return Repository(root, fingerprint)


def _run(*words: object) -> str:
    finished = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout
