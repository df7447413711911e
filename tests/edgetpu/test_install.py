"""Getting the compiler: from a server on this machine, with a package made up for the test."""

from __future__ import annotations

import hashlib
import io
import stat
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from coral_action.commands.compiler import compiler
from coral_action.edgetpu import compiler_version, find_compiler
from coral_action.edgetpu.install import SOURCES, cache_folder, install
from coral_action.errors import CompilerError, UsageError

SCRIPT = b"#!/bin/sh\necho Edge TPU Compiler version 16.0.384591198\n"


def tree(files: dict[str, bytes], compression: str = "gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o755
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def deb(data: bytes, name: str = "data.tar.xz") -> bytes:
    def entry(name: str, content: bytes) -> bytes:
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode()
        return header + content + b"\n" * (len(content) % 2)

    parts = [entry("debian-binary", b"2.0\n"), entry("control.tar.xz", b"abc"), entry(name, data)]
    return b"!<arch>\n" + b"".join(parts)


GOOD = deb(tree({"./usr/bin/edgetpu_compiler": SCRIPT, "./usr/bin/lib/x.so": b"x"}, "xz"))


@pytest.fixture
def server() -> Iterator[dict[str, bytes]]:
    pages: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = pages.get(self.path)
            self.send_response(200 if found is not None else 403)
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *words: object) -> None:
            pass

    http = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    pages["base"] = f"http://127.0.0.1:{http.server_port}".encode()
    yield pages
    http.shutdown()
    thread.join()


def get(server: dict[str, bytes], home: Path, content: bytes, sha256: str | None = None) -> Path:
    server["/compiler.deb"] = content
    return install(
        {"HOME": str(home)},
        accept_terms=True,
        urls=[server["base"].decode() + "/compiler.deb"],
        sha256=sha256 or hashlib.sha256(content).hexdigest(),
        allow_loopback_http=True,
    )


@pytest.mark.parametrize("package", [GOOD, tree({"usr/bin/edgetpu_compiler": SCRIPT})])
def test_a_package_is_fetched_checked_and_unpacked_into_a_private_folder(
    server: dict[str, bytes], tmp_path: Path, package: bytes
) -> None:
    program = get(server, tmp_path, package)
    assert compiler_version(program) == "16.0.384591198"
    folder = cache_folder({"HOME": str(tmp_path)})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert find_compiler(None, {"HOME": str(tmp_path), "PATH": ""}) == program


def test_another_sha256_is_refused_and_nothing_is_left(
    server: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(CompilerError, match=r"sha256 is [0-9a-f]{64}, not 0000"):
        get(server, tmp_path, GOOD, sha256="0" * 64)
    assert list(cache_folder({"HOME": str(tmp_path)}).parent.iterdir()) == []


def test_the_next_address_is_tried(server: dict[str, bytes], tmp_path: Path) -> None:
    server["/second"] = GOOD
    base = server["base"].decode()
    program = install(
        {"HOME": str(tmp_path)},
        accept_terms=True,
        urls=[f"{base}/first", f"{base}/second"],
        sha256=hashlib.sha256(GOOD).hexdigest(),
        allow_loopback_http=True,
    )
    assert program.is_file()


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (deb(tree({"../outside": b"x"})), "can't be unpacked"),
        (deb(tree({"/etc/outside": b"x"}, "xz")), "holds no usr/bin"),
        (deb(b"", "data.tar.zst"), "zstd"),
        (GOOD[:-20], "cut off"),
        (b"<html>Sign in</html>", "can't be unpacked"),
        (deb(tree({"usr/share/doc/readme": b"x"})), "holds no usr/bin/edgetpu_compiler"),
    ],
)
def test_an_unsafe_or_damaged_package_is_one_clean_error(
    server: dict[str, bytes], tmp_path: Path, package: bytes, message: str
) -> None:
    with pytest.raises(CompilerError, match=message):
        get(server, tmp_path, package)
    assert not (tmp_path.parent / "outside").exists()
    assert list(cache_folder({"HOME": str(tmp_path)}).parent.iterdir()) == []


def test_a_failed_install_keeps_the_one_that_was_there(
    server: dict[str, bytes], tmp_path: Path
) -> None:
    program = get(server, tmp_path, GOOD)
    with pytest.raises(CompilerError):
        get(server, tmp_path, b"broken")
    assert program.is_file()


def test_terms_come_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="terms that you have to accept"):
        install({"HOME": str(tmp_path)}, accept_terms=False)
    result = CliRunner().invoke(compiler, ["install"])
    assert isinstance(result.exception, UsageError)


def test_an_address_of_ones_own_needs_a_sha256_and_https(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "EDGETPU_COMPILER_URL": "https://example.org/x.deb"}
    with pytest.raises(UsageError, match="sha256"):
        install(environment, accept_terms=True)
    with pytest.raises(UsageError, match="only https"):
        install(environment, accept_terms=True, urls=["http://example.org/x"], sha256="0" * 64)
    with pytest.raises(UsageError, match="not a sha256"):
        install(environment, accept_terms=True, sha256="abc")


def test_known_places_are_encrypted_and_pinned_where_possible() -> None:
    assert all(source.url.startswith("https://") for source in SOURCES)
    assert any(source.sha256 for source in SOURCES)
