"""Stand-ins for the base image, made from this machine's Debian packages and its Python 3.11.

Nothing is pulled from an image registry. They carry the real name, so that the Dockerfile is built
unchanged; one that is already there is used as it is.

Usage: python bases.py    (root, on Debian, with podman, buildah and debootstrap)
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent.parent
RELEASE = "bookworm"
# What python:3.11-slim-bookworm holds beside Debian's smallest system.
LIBRARIES = [
    "ca-certificates",
    "netbase",
    "tzdata",
    "libssl3",
    "libffi8",
    "libsqlite3-0",
    "zlib1g",
    "libbz2-1.0",
    "liblzma5",
    "libreadline8",
    "libncursesw6",
    "libuuid1",
    "libexpat1",
    "libcrypt1",
    "libgdbm6",
    "libnsl2",
    "libtirpc3",
]
DEBOOTSTRAP_SECONDS = 900


def pinned_base() -> tuple[str, str]:
    """Name and digest of the base image, as the Dockerfile has them."""
    match = re.search(
        r"^FROM (\S+)@(sha256:[0-9a-f]{64}) AS base$", (PROJECT / "Dockerfile").read_text(), re.M
    )
    assert match, "the Dockerfile names no base image by digest"
    return match[1], match[2]


def package_source() -> str:
    """Where this machine gets Debian's packages from, read from apt's own configuration."""
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(SUITE) $(CODENAME) $(COMPONENT)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for line in listed.splitlines():
        address, *words = line.split()
        if RELEASE in words and "main" in words and address.rstrip("/").endswith("debian"):
            return address
    for file in [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]:
        if file.is_file():
            for address in re.findall(r"https?://[^\s\]]+/debian/?(?=\s)", file.read_text()):
                return str(address)
    raise SystemExit("container test: no source of Debian packages in apt's configuration")


def python_prefix() -> Path:
    """The folder of a Python 3.11 that can be copied: one that lies in a folder of its own."""
    for program in (sys.executable, shutil.which("python3.11"), shutil.which("python3")):
        if not program:
            continue
        code = "import sys; print(sys.version_info[:2] == (3, 11), sys.base_prefix)"
        said = subprocess.run([program, "-c", code], capture_output=True, text=True).stdout.split()
        if said[:1] == ["True"] and Path(said[1]) != Path("/usr"):
            return Path(said[1])
    raise SystemExit("container test: no Python 3.11 with a folder of its own, to copy into a base")


def make() -> str:
    """Make the base image if it is not there; its name."""
    name, _ = pinned_base()
    if subprocess.run(["podman", "image", "exists", name]).returncode == 0:
        return name
    prefix = python_prefix()
    with tempfile.TemporaryDirectory(prefix="coral-base-", dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        _debian(root)
        _python(root, prefix)
        archive = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE)
        changes = (
            "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
            "ENV LANG=C.UTF-8",
            'CMD ["python3"]',
        )
        options = [word for change in changes for word in ("--change", change)]
        subprocess.run(
            ["podman", "import", "--quiet", *options, "-", name], stdin=archive.stdout, check=True
        )
        assert archive.wait() == 0, "tar failed"
    return name


def _debian(root: Path) -> None:
    """Debian's smallest system with a few libraries, and this machine's package source."""
    log = root.with_name("debootstrap.log")
    source = package_source()
    with log.open("w") as output:
        finished = subprocess.run(
            [
                "debootstrap",
                "--variant=minbase",
                f"--include={','.join(LIBRARIES)}",
                RELEASE,
                str(root),
                source,
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            timeout=DEBOOTSTRAP_SECONDS,
        )
    if finished.returncode != 0:
        raise SystemExit(f"debootstrap failed:\n{log.read_text()[-2000:]}")
    (root / "etc/apt/sources.list").write_text(f"deb {source} {RELEASE} main\n")
    # As Docker's Debian images are.
    (root / "etc/dpkg/dpkg.cfg.d/docker").write_text(
        "".join(f"path-exclude /usr/share/{name}/*\n" for name in ("man", "locale", "info"))
    )
    dates = "".join(f'Acquire::Check-{what} "false";\n' for what in ("Valid-Until", "Date"))
    (root / "etc/apt/apt.conf.d/99dates").write_text(dates)
    for pattern in (
        "usr/share/man/*",
        "usr/share/info/*",
        "usr/share/locale/*",
        "usr/share/doc/*/changelog*",
        "var/cache/apt/archives/*.deb",
        "var/cache/apt/*.bin",
        "var/lib/apt/lists/*",
        "var/log/*.log",
    ):
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _python(root: Path, prefix: Path) -> None:
    """This machine's Python below /usr/local, as the official image has it: without bytecode."""
    local = root / "usr/local"
    ignore = shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "*.a")
    for part in ("include/python3.11", "lib/python3.11"):
        shutil.copytree(prefix / part, local / part, symlinks=True, ignore=ignore)
    for library in (prefix / "lib").glob("libpython3*.so*"):
        shutil.copy2(library, local / "lib", follow_symlinks=False)
    shutil.copy2(prefix / "bin/python3.11", local / "bin/python3.11")
    for name in ("python", "python3"):
        (local / "bin" / name).symlink_to("python3.11")
    setup = "ldconfig && python -B -m ensurepip --default-pip >/dev/null 2>&1 && pip --version"
    environment = {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
    subprocess.run(["chroot", str(root), "sh", "-c", setup], env=environment, check=True)
    for folder in (local / "lib/python3.11").glob("**/__pycache__"):
        if "site-packages" not in folder.parts:
            shutil.rmtree(folder)


if __name__ == "__main__":
    if os.geteuid() != 0:
        raise SystemExit("container test: making a base image needs root")
    sys.stdout.write(f"{make()}\n")
