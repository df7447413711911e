"""What the layers hold: no secret, no address, no cache; and the same from build to build."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import bases
import engine
import layers
import pytest
from image_fixtures import PROJECT

AGAIN = "localhost/coral-quantize-test:again"
FORBIDDEN = re.compile(
    r"/pip[.]conf$|/[.]cache(/|$)|/pip/cache|^/root/|^/build(/|$)|^/tmp/.|^/run/|^/var/(cache|lib|log)/"
    r"|[.](whl|deb|log)$|/apt/|ca[.]crt$|ca-certificates[.]crt$|[.]netrc$|/[.]git(/|$)|[.]pem[.]key$"
)
TOKEN = "ghs_a-secret-of-the-build-that-must-not-stay"


def addresses() -> tuple[bytes, ...]:
    """Package indexes and proxies that this machine is set up with, and where our mounts lay."""
    said = subprocess.run(
        ["python3", "-m", "pip", "config", "list"], capture_output=True, text=True
    ).stdout
    texts = [said, *(v for k, v in os.environ.items() if re.search("proxy|index|pip_", k, re.I))]
    found = {
        f"{parts.scheme}://{parts.netloc}{parts.path}".encode()
        for text in texts
        for address in re.findall(r"[a-z]+://[^\s'\"]+", text)
        if (parts := urlsplit(address)).netloc or parts.path
    }
    return (*sorted(found), engine.BUILD_MOUNT.encode(), bases.package_source().encode())


@pytest.fixture(scope="module")
def contents(image: str, base: str) -> list[layers.Entry]:
    needles = (*addresses(), TOKEN.encode())
    return list(layers.entries(image, engine.own_layers(image, base), needles))


def test_no_cache_and_no_trace_of_the_build(contents: list[layers.Entry]) -> None:
    assert [entry.path for entry in contents if FORBIDDEN.search(entry.path)] == []


def test_no_address_of_this_machine(contents: list[layers.Entry]) -> None:
    assert [(entry.path, entry.hits) for entry in contents if entry.hits] == []


def test_no_address_in_the_configuration(image: str) -> None:
    data = str(engine.inspect(image))
    assert [text for text in addresses() if text.decode() in data] == []
    assert "PIP_" not in data


def test_all_belongs_to_root_and_nobody_else_writes(contents: list[layers.Entry]) -> None:
    wrong = [
        entry.path
        for entry in contents
        if entry.owner[0] != 0 or (entry.mode & 0o022 and entry.kind != "2") or entry.mode & 0o6000
    ]
    assert wrong == []


def test_the_same_commit_builds_the_same_layers(
    image: str, base: str, contents: list[layers.Entry]
) -> None:
    """Every file of every layer, but for times; the second build uses no cache."""
    # A stray variable of the building machine must not get in either.
    os.environ["GITHUB_TOKEN"] = TOKEN
    try:
        built = engine.build(PROJECT, AGAIN, "published", bases.pinned_base(), cached=False)
    finally:
        del os.environ["GITHUB_TOKEN"]
    assert built.returncode == 0, (built.stdout + built.stderr)[-5000:]
    try:
        needles = (*addresses(), TOKEN.encode())
        second = list(layers.entries(AGAIN, engine.own_layers(AGAIN, base), needles))
    finally:
        engine.podman("rmi", AGAIN)
    assert {entry.path for entry in second} == {entry.path for entry in contents}
    first = {(entry.layer, entry.path): entry for entry in contents}
    assert [e.path for e in second if e != first.get((e.layer, e.path))] == []


def test_ignored_files_stay_out_of_the_build() -> None:
    """Nothing but what .dockerignore lets through can get into a layer by COPY."""
    kept = [
        line[1:]
        for line in Path(PROJECT, ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert Path(PROJECT, ".dockerignore").read_text().startswith("*\n")
    assert set(kept) == {
        *("coral_action", "container", "entrypoint.py", "pyproject.toml", "README.md"),
        *("LICENSE", "requirements.lock"),
    }
