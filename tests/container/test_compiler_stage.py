"""The `bundled` target, up to the download, with a stand-in for Coral's package repository."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import bases
import engine
import package_source
import pytest
import runner
from image_fixtures import PROJECT

TAG = "localhost/coral-quantize-test:bundled"
SCRIPT = PROJECT / "container" / "fetch_compiler.py"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> package_source.Repository:
    return package_source.make_repository(tmp_path_factory.mktemp("repository"))


def fetch(address: str, keys: str, output: Path, version: str = "16.0") -> tuple[int, str]:
    """Run the script as the compiler stage does; exit code and what it said."""
    finished = subprocess.run(
        [
            *(sys.executable, "-I", SCRIPT, "--repository", address, "--version", version),
            *("--keys", keys, "--output", output),
        ],
        capture_output=True,
        text=True,
    )
    return finished.returncode, finished.stderr


def test_bundled_image(image: str, repository: package_source.Repository) -> None:
    with repository.served() as address:
        options = [f"COMPILER_REPOSITORY={address}", f"COMPILER_KEYS={repository.fingerprint}"]
        built = engine.build(
            PROJECT,
            TAG,
            "bundled",
            bases.pinned_base(),
            [word for option in options for word in ("--build-arg", option)],
        )
    assert built.returncode == 0, (built.stdout + built.stderr)[-3000:]
    script = "edgetpu_compiler; cat /usr/share/doc/edgetpu-compiler/copyright"
    said = runner.start(["--network", "none", "--entrypoint", "sh"], TAG, "-c", script)
    assert said.stdout == (
        "Edge TPU Compiler version 16.0.384591198 (stand-in)\n" + package_source.LICENCE
    )
    published = engine.inspect(image)["RootFS"]["Layers"]
    assert engine.inspect(TAG)["RootFS"]["Layers"][: len(published)] == published
    engine.podman("rmi", TAG)


def test_bundled_is_what_a_plain_build_makes() -> None:
    stages = [
        line.split()[-1]
        for line in (PROJECT / "Dockerfile").read_text().splitlines()
        if line.startswith("FROM ")
    ]
    assert stages[-1] == "bundled"


def test_only_a_pinned_key_counts(repository: package_source.Repository, tmp_path: Path) -> None:
    with repository.served() as address:
        code, said = fetch(address, "0" * 40, tmp_path)
        assert code == 1
        assert "not signed by a pinned key" in said
        assert repository.fingerprint in said
        code, said = fetch(address, f"{'0' * 40} {repository.fingerprint}", tmp_path)
    assert code == 0, said
    assert (tmp_path / "usr/bin/edgetpu_compiler").is_file()


def test_changed_files_are_refused(tmp_path: Path) -> None:
    repository = package_source.make_repository(tmp_path / "made")
    release = repository.folder / f"dists/{package_source.SUITE}/InRelease"
    index = release.parent / "main/binary-amd64/Packages"
    for path, old, new, message in (
        (repository.package, b"", b"more", "edgetpu-compiler: sha256 is"),
        (index, b"amd64", b"arm64", "Packages: sha256 is"),
        (release, b"Origin: stand-in", b"Origin: another", "not signed by a pinned key"),
    ):
        before = path.read_bytes()
        path.write_bytes(before.replace(old, new) if old else before + new)
        with repository.served() as address:
            code, said = fetch(address, repository.fingerprint, tmp_path / "out")
        path.write_bytes(before)
        assert code == 1, path
        assert message in said
        assert "docker build --target published" in said
        assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


def test_what_is_not_there(repository: package_source.Repository, tmp_path: Path) -> None:
    with repository.served() as address:
        code, said = fetch(address, repository.fingerprint, tmp_path, version="99.0")
    assert code == 1
    assert "no edgetpu-compiler 99.0; there is 16.0" in said
    code, said = fetch(address, repository.fingerprint, tmp_path)  # no longer served
    assert code == 1
    assert "could not be had" in said
    code, said = fetch("http://example.org/apt", repository.fingerprint, tmp_path)
    assert code == 1
    assert "only https" in said


def test_a_package_without_a_licence_is_refused(tmp_path: Path) -> None:
    repository = package_source.make_repository(tmp_path / "made", with_licence=False)
    with repository.served() as address:
        code, said = fetch(address, repository.fingerprint, tmp_path / "out")
    assert code == 1
    assert "holds no usr/share/doc/edgetpu-compiler" in said
