"""podman without a daemon, with storage and settings of its own: nothing else is touched."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STATE = Path(os.environ.get("CORAL_CONTAINER_STATE", "/var/tmp/coral-container-test"))
BUILD_MOUNT = "/run/build-certificates"
_BUILD_SECONDS = 1800
_KEEP_BYTES = 30 * 10**9


def set_up() -> None:
    """Write the settings that podman and buildah read from now on."""
    STATE.mkdir(parents=True, exist_ok=True)
    # Where containers run inside of containers, default limits can't be raised, crun refuses
    # hybrid cgroups, and there is no bridge network.
    (STATE / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=8192:8192"]\n'
        'netns = "host"\n[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
        'events_logger = "file"\n'
    )
    (STATE / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{STATE}/storage"\nrunroot = "{STATE}/run"\n'
    )
    os.environ["CONTAINERS_CONF"] = str(STATE / "containers.conf")
    os.environ["CONTAINERS_STORAGE_CONF"] = str(STATE / "storage.conf")
    if _size(STATE / "storage") > _KEEP_BYTES:
        podman("image", "prune", "--force")


def _size(folder: Path) -> int:
    if not folder.is_dir():
        return 0
    said = subprocess.run(["du", "-sb", str(folder)], capture_output=True, text=True).stdout
    return int(said.split()[0])


def podman(*words: object, seconds: float = 600, check: bool = True) -> str:
    """Run podman and return what it printed; AssertionError with its error output if it fails."""
    finished = subprocess.run(
        ["podman", *map(str, words)], capture_output=True, text=True, timeout=seconds
    )
    if check:
        assert finished.returncode == 0, f"podman {words[0]}: {finished.stderr[-3000:]}"
    return finished.stdout


def build(
    context: Path,
    tag: str,
    target: str,
    base: tuple[str, str],
    options: Iterable[str] = (),
    *,
    cached: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Build a target of the unchanged Dockerfile on the stand-in base.

    Certificates that this machine trusts beside the usual ones are mounted while building and leave
    no trace; the package indexes are those that pip and apt find on their own.
    """
    mounts = STATE / "mounts"
    mounts.mkdir(exist_ok=True)
    bundle = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    if bundle and Path(bundle).is_file():
        shutil.copyfile(bundle, mounts / "ca.crt")
    (mounts / "pip.conf").write_text(f"[global]\ncert = {BUILD_MOUNT}/ca.crt\ntimeout = 120\n")
    name, digest = base
    return subprocess.run(
        [
            *("podman", "build", "--format", "docker", "--pull=never", "--network", "host"),
            # Without --layers, buildah takes the base image for its own leftover and removes it.
            *(("--layers",) if cached else ("--layers", "--no-cache")),
            *("--target", target, "--tag", tag),
            *("--build-context", f"{name}@{digest}=docker-image://{name}"),
            *("--volume", f"{mounts}:{BUILD_MOUNT}:ro"),
            *("--volume", f"{mounts}/pip.conf:/etc/pip.conf:ro"),
            *options,
            str(context),
        ],
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
    )


def inspect(image: str) -> dict[str, Any]:
    """The image's configuration as podman tells it."""
    (data,) = json.loads(podman("image", "inspect", image))
    assert isinstance(data, dict)
    return data


def own_layers(image: str, base: str) -> list[str]:
    """Digests of the uncompressed layers that an image has above its base."""
    layers, below = (inspect(name)["RootFS"]["Layers"] for name in (image, base))
    assert layers[: len(below)] == below, f"{image} does not build on {base}"
    return list(layers[len(below) :])
