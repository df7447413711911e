"""Downloads that coral.yml asks for: from a real TLS server with a certificate of our own."""

from __future__ import annotations

import hashlib
import io
import ipaddress
import json
import os
import ssl
import subprocess
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from harness import Command

from coral_action.config.download_schema import DownloadConfig
from coral_action.config.loader import parse_config
from coral_action.config.paths import PathRules
from coral_action.download import Fetched, downloads_of, fetch
from coral_action.download.address import is_public
from coral_action.download.cache import cache_folder, cached
from coral_action.download.fetch import Network, fetch_to
from coral_action.errors import ConfigError, DownloadError

CONTENT = b"a model\n" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


# --- addresses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16"),
        *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1"),
        *("ff02::1", "100::1", "2001:db8::1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:0a00:0001::1", "2002:7f00:1::"),
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "::7f00:1", "::10.0.0.1"),
        *("localhost", "", "1", "0x7f000001", "127.1", "[::1]"),
    ],
)
def test_no_address_of_a_private_network(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "140.82.121.3", "2606:50c0:8000::154", "64:ff9b::8.8.8.8"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(address)


def test_every_private_range_that_is_registered() -> None:
    """IANA's special-purpose registries, as RFC 6890 and its successors list them."""
    blocks = (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("fc00::/7", "fe80::/10", "ff00::/8", "2001:db8::/32", "100::/64"),
    )
    for block in map(ipaddress.ip_network, blocks):
        for address in (block[0], block[-1], block[block.num_addresses // 2]):
            assert not is_public(str(address)), address


# --- what coral.yml may say -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://x.example/a",
        "ftp://x.example/a",
        "file:///etc/passwd",
        "https://user:pass@x.example/a",
        "https://token@x.example/a",
        "https:///a",
        "https://x.example:0/a",
        "https://x.example:99999/a",
        "https://[::1]/a",
        "https://x.exa mple/a",
        "https://x.example/a b",
        "https://x.example/a\r\nHost: y",
        "https://x.example\\@y.example/a",
        "https://ü.example/a",
        "HTTPS//x",
        "//x.example/a",
        "x" * 3000,
    ],
)
def test_addresses_that_are_refused_at_once(url: str) -> None:
    text = f"""version: 1
downloads: {{net: {{url: {json.dumps(url)}, sha256: {DIGEST}}}}}
models: [{{name: a, source: "download:net", calibration: {{npy: x.npy}}}}]
"""
    with pytest.raises(ConfigError, match=r"downloads\.net\.url"):
        parse_config(text, "coral.yml")


@pytest.mark.parametrize("digest", ["", "abc", DIGEST[:-1], f"{DIGEST}0", "g" * 64])
def test_hash_is_mandatory_and_whole(digest: str) -> None:
    for given in (f"sha256: '{digest}'", "unpack: true"):
        text = f"""version: 1
downloads: {{net: {{url: "https://x.example/a", {given}}}}}
models: [{{name: a, source: "download:net", calibration: {{npy: x.npy}}}}]
"""
        with pytest.raises(ConfigError, match=r"downloads\.net\.sha256"):
            parse_config(text, "coral.yml")


def test_what_a_model_needs() -> None:
    text = f"""version: 1
downloads:
  net: {{url: "https://x.example/net.keras", sha256: {DIGEST}}}
  data.v1: {{url: "https://x.example/data.tar.gz", sha256: {DIGEST.upper()}}}
models:
  - name: a
    source: download:net
    calibration: {{images: "download:data.v1/calibration"}}
    evaluation: {{images: {{x: "download:data.v1/test", y: "download:more/y"}}}}
"""
    config = parse_config(text, "coral.yml")
    assert downloads_of(config.models[0]) == ["net", "data.v1", "more"]
    assert [d.is_archive for d in config.downloads.values()] == [False, True]
    assert config.downloads["data.v1"].sha256 == DIGEST


def test_paths_in_downloads(tmp_path: Path) -> None:
    folder = tmp_path / "net"
    (folder / "sub").mkdir(parents=True)
    rules = PathRules(tmp_path / "workspace", tmp_path / "workspace", {"net": folder})
    again = PathRules.from_json(json.loads(json.dumps(rules.to_json())))
    assert again == rules
    assert again.resolve("download:net/sub") == (folder / "sub").resolve()
    assert again.resolve("download:net") == folder.resolve()
    for value in ("download:net/../x", "download:net//etc/passwd", "download:other", "download:"):
        with pytest.raises(ConfigError):
            again.resolve(value)


# --- the server -----------------------------------------------------------------------------------


class Server:
    """https on the loopback address for any name; what it was asked is kept."""

    def __init__(self, folder: Path) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.bundle = folder / "certificate.pem"
        names = "subjectAltName=DNS:files.example,DNS:other.example"
        words = (
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=files",
        )
        subprocess.run(
            ["openssl", *words, "-addext", names, "-keyout", folder / "key", "-out", self.bundle],
            check=True,
            capture_output=True,
        )
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.bundle, folder / "key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str, host: str = "files.example") -> str:
        return f"https://{host}:{self.port}/{path}"

    def network(self, **changes: Any) -> Network:
        trusting = Network(
            addresses=lambda host, port: ["127.0.0.1"],
            allowed=lambda address: True,
            context=lambda: ssl.create_default_context(cafile=str(self.bundle)),
            silence=5.0,
        )
        return replace(trusting, **changes)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append((self.path, dict(self.headers)))
                parts = urlsplit(self.path)
                kind = parts.path.strip("/").partition(".")[0]
                getattr(self, f"do_{kind}")(unquote(parts.query))

            def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def do_file(self, query: str) -> None:
                self._send(200, CONTENT, Content_Length=str(len(CONTENT)))

            def do_plain(self, query: str) -> None:
                self._send(200, CONTENT)

            def do_redirect(self, query: str) -> None:
                self._send(302, Location=query, Set_Cookie="a=b")

            def do_loop(self, query: str) -> None:
                self._send(302, Location=f"/loop?{query}x")

            def do_short(self, query: str) -> None:
                self._send(200, CONTENT, Content_Length=str(len(CONTENT) + 1))

            def do_endless(self, query: str) -> None:
                self._send(200)
                for _ in range(2_000):
                    self.wfile.write(bytes(65536))

            def do_slow(self, query: str) -> None:
                self._send(200)
                for _ in range(200):
                    self.wfile.write(b"x")
                    time.sleep(0.02)

            def do_status(self, query: str) -> None:
                self._send(int(query))

            def do_huge(self, query: str) -> None:
                self._send(200, Content_Length=str(10**15))

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        return Handler


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("tls"))
    yield server
    server.close()


@pytest.mark.parametrize("path", ["file", "plain", "file?a=b", "redirect?/file"])
def test_a_file_is_fetched(files: Server, tmp_path: Path, path: str) -> None:
    assert fetch_to(files.url(path), tmp_path / "x", files.network()) == DIGEST
    assert (tmp_path / "x").read_bytes() == CONTENT


def test_nothing_of_this_machine_goes_along(
    files: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine files.example login me password secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    files.requests.clear()
    there = files.url("file", "other.example")
    assert fetch_to(files.url(f"redirect?{there}"), tmp_path / "x", files.network()) == DIGEST
    assert [path for path, _ in files.requests] == [f"/redirect?{there}", "/file"]
    for _, headers in files.requests:
        assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding"}
        assert "secret" not in str(headers)


def refusal(files: Server, path: str, tmp_path: Path, **changes: Any) -> str:
    target = tmp_path / "x"
    target.unlink(missing_ok=True)
    with pytest.raises(DownloadError) as raised:
        fetch_to(files.url(path), target, files.network(**changes))
    assert raised.value.exit_code == 3
    return raised.value.message


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("redirect?http://files.example/file", "must begin with https"),
        ("redirect?file:///etc/passwd", "must begin with https"),
        ("redirect?https://a:b@files.example/", "credentials"),
        ("redirect?https://[::1]/x", "must name a host"),
        ("loop?x", "more than 5 redirects"),
        ("short", "cut off after 8,000 of 8,001 bytes"),
        ("huge", "1,000,000,000,000,000 bytes, more than"),
        ("status?404", "the server answered 404"),
        ("status?204", "the server answered 204"),
        ("status?500", "the server answered 500"),
    ],
)
def test_what_is_refused(files: Server, tmp_path: Path, path: str, why: str) -> None:
    assert why in refusal(files, path, tmp_path)


def test_redirects_are_counted(files: Server, tmp_path: Path) -> None:
    files.requests.clear()
    assert "more than 3 redirects" in refusal(files, "loop?x", tmp_path, redirects=3)
    assert len(files.requests) == 4


def test_size_and_time_are_bounded(files: Server, tmp_path: Path) -> None:
    assert "larger than 1,000,000 bytes" in refusal(files, "endless", tmp_path, most_bytes=10**6)
    assert (tmp_path / "x").stat().st_size <= 10**6
    assert "not there after 0.2 seconds" in refusal(files, "slow", tmp_path, most_seconds=0.2)


def test_private_addresses_are_not_even_connected(files: Server, tmp_path: Path) -> None:
    """The real rule: the loopback address of this very test is refused."""
    files.requests.clear()
    why = refusal(files, "file", tmp_path, allowed=is_public)
    assert "files.example is at no public address" in why
    assert files.requests == []


def test_private_address_behind_a_redirect(files: Server, tmp_path: Path) -> None:
    files.requests.clear()
    inner = files.url("file", "other.example")
    inside = {"files.example": "127.0.0.1", "other.example": "127.0.0.2"}
    why = refusal(
        files,
        f"redirect?{inner}",
        tmp_path,
        addresses=lambda host, port: [inside[host]],
        allowed=lambda address: address == "127.0.0.1",
    )
    assert "redirected to other.example" in why
    assert "other.example is at no public address" in why
    assert len(files.requests) == 1


def test_a_name_that_leads_elsewhere_a_moment_later(files: Server, tmp_path: Path) -> None:
    """DNS rebinding: what was checked is what is connected to; the name is asked once."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    checked: list[str] = []

    def allowed(address: str) -> bool:
        checked.append(address)
        return address == "127.0.0.1"

    network = files.network(addresses=lambda host, port: next(answers), allowed=allowed)
    assert fetch_to(files.url("file"), tmp_path / "x", network) == DIGEST
    assert checked == ["127.0.0.1"]
    assert next(answers) == ["127.0.0.2"]  # it was never asked for


def test_of_several_addresses_only_public_ones_are_asked(files: Server, tmp_path: Path) -> None:
    network = files.network(
        addresses=lambda host, port: ["169.254.169.254", "127.0.0.1"],
        allowed=lambda address: address == "127.0.0.1",
    )
    assert fetch_to(files.url("file"), tmp_path / "x", network) == DIGEST


def test_certificates_are_checked(files: Server, tmp_path: Path) -> None:
    assert "certificate is not good" in refusal(
        files, "file", tmp_path, context=ssl.create_default_context
    )
    with pytest.raises(DownloadError, match="certificate is not good"):
        fetch_to(files.url("file", "third.example"), tmp_path / "x", files.network())


@pytest.mark.parametrize("fault", ["nobody", "unknown"])
def test_server_that_is_not_there(files: Server, tmp_path: Path, fault: str) -> None:
    import socket

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    url = "https://files.example:9/x"
    network = files.network() if fault == "nobody" else files.network(addresses=unknown)
    with pytest.raises(DownloadError, match="can't be fetched"):
        fetch_to(url, tmp_path / "x", network)


# --- the cache, and the whole ---------------------------------------------------------------------


def test_a_file_is_fetched_once(files: Server, tmp_path: Path) -> None:
    config = DownloadConfig(url=files.url("file"), sha256=DIGEST)
    files.requests.clear()
    for _ in range(2):
        assert cached(config, tmp_path / "cache", files.network()).read_bytes() == CONTENT
    assert len(files.requests) == 1
    kept = tmp_path / "cache" / DIGEST
    kept.chmod(0o600)
    kept.write_bytes(b"changed by somebody")
    assert cached(config, tmp_path / "cache", files.network()).read_bytes() == CONTENT
    assert len(files.requests) == 2
    assert [p.name for p in (tmp_path / "cache").iterdir()] == [DIGEST]


def test_another_file_is_an_error_and_not_kept(files: Server, tmp_path: Path) -> None:
    config = DownloadConfig(url=files.url("file"), sha256="0" * 64)
    with pytest.raises(DownloadError, match=f"its SHA-256 is {DIGEST}, not 000"):
        cached(config, tmp_path / "cache", files.network())
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("base", ["relative", "", None])
def test_where_the_cache_is(tmp_path: Path, base: str | None) -> None:
    environment = {"HOME": str(tmp_path)} | ({} if base is None else {"XDG_CACHE_HOME": base})
    assert cache_folder(environment) == tmp_path / ".cache" / "coral-quantize" / "downloads"


def everything(files: Server, tmp_path: Path, **downloads: DownloadConfig) -> Fetched:
    sources = [f"download:{name}/x" for name in downloads] + ["download:missing"]
    models = [
        f"{{name: m{i}, source: '{s}', calibration: {{npy: x}}}}" for i, s in enumerate(sources)
    ]
    config = parse_config(f"version: 1\nmodels: [{', '.join(models)}]\n", "coral.yml")
    folder = tmp_path / "run"
    folder.mkdir()
    environment = {"HOME": str(tmp_path)}
    fetched = fetch(downloads, config.models, folder, environment, files.network())
    assert fetched.error_of(config.models[-1]) is fetched.errors["missing"]
    return fetched


def test_archives_and_files_and_errors(
    files: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("model/saved_model.pb")
        entry.size = len(CONTENT)
        archive.addfile(entry, io.BytesIO(CONTENT))
    good = DownloadConfig(url=files.url("file"), sha256=DIGEST)
    bad = DownloadConfig(url=files.url("status?404"), sha256="1" * 64)
    broken = DownloadConfig(url=files.url("file.tar.gz"), sha256=DIGEST)
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    tar = DownloadConfig(url=files.url("file.tgz"), sha256=digest)
    store = cache_folder({"HOME": str(tmp_path)})
    store.mkdir(parents=True)
    (store / digest).write_bytes(packed.getvalue())
    fetched = everything(files, tmp_path, good=good, bad=bad, broken=broken, tar=tar)
    assert fetched.paths["good"].read_bytes() == CONTENT
    assert (fetched.paths["tar"] / "model" / "saved_model.pb").read_bytes() == CONTENT
    assert not os.access(fetched.paths["good"], os.X_OK)
    assert sorted(fetched.errors) == ["bad", "broken", "missing"]
    assert "no archive that can be read" in fetched.errors["broken"].message
    assert not list((tmp_path / "run").glob("3/package"))  # what is unpacked is gone


def test_a_run_with_downloads(command: Command, digits: Path, tmp_path: Path) -> None:
    """Model and data from the cache, which needs no network; and a model from a private address."""
    store = tmp_path / "cache" / "coral-quantize" / "downloads"
    store.mkdir(parents=True)
    packed = tmp_path / "data.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(digits / "data" / "calibration", "calibration")
    hashes = {}
    for file in (digits / "model.keras", packed):
        hashes[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
        (store / hashes[file.name]).write_bytes(file.read_bytes())
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "coral.yml").write_text(f"""version: 1
downloads:
  net: {{url: https://x.example/model.keras, sha256: {hashes["model.keras"]}}}
  data: {{url: https://x.example/data.tar.gz, sha256: {hashes["data.tar.gz"]}}}
  inside: {{url: https://localhost/latest/meta-data, sha256: {"f" * 64}}}
models:
  - name: good
    source: download:net
    calibration: {{images: download:data/calibration, samples: 20, method: min_max}}
  - name: bad
    source: download:inside
    calibration: {{images: download:data/calibration}}
""")
    finished = command(
        "run",
        "--compiler",
        "none",
        cwd=workspace,
        XDG_CACHE_HOME=str(tmp_path / "cache"),
        GITHUB_WORKSPACE=str(workspace),
    )
    assert finished.code == 3, finished.stderr
    report = json.loads((workspace / "coral-output" / "report.json").read_text())
    good, bad = report["models"]
    assert good["status"] == "ok"
    assert good["source"]["path"] == "download:net"
    assert good["source"]["sha256"] == hashes["model.keras"]
    assert bad["error"]["kind"] == "download"
    assert "localhost is at no public address" in bad["error"]["message"]
    assert (workspace / "coral-output" / "good_int8.tflite").stat().st_size > 1000
