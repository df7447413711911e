"""Reading the layers of an image, file by file."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of a layer; `digest` is that of its content, or the link's target."""

    layer: int
    path: str
    kind: str
    mode: int
    owner: tuple[int, int]
    size: int
    digest: str
    hits: tuple[bytes, ...]


def entries(image: str, own: list[str], needles: tuple[bytes, ...] = ()) -> Iterator[Entry]:
    """The entries of the layers whose uncompressed digests are `own`, and the needles in them."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        archive = Path(folder) / "image.tar"
        subprocess.run(
            ["podman", "save", "--quiet", "--format", "docker-archive", "-o", archive, image],
            check=True,
            timeout=600,
        )
        with tarfile.open(archive) as outer:
            (manifest,) = json.load(member(outer, "manifest.json"))
            names = dict(zip(_layer_digests(outer, manifest), manifest["Layers"], strict=True))
            for number, digest in enumerate(own):
                with tarfile.open(fileobj=member(outer, names[digest])) as layer:
                    for info in layer:
                        yield _entry(number, layer, info, needles)


def member(archive: tarfile.TarFile, name: str) -> tarfile.ExFileObject:
    file = archive.extractfile(name)
    assert isinstance(file, tarfile.ExFileObject)
    return file


def _layer_digests(outer: tarfile.TarFile, manifest: dict[str, str]) -> list[str]:
    return list(json.load(member(outer, manifest["Config"]))["rootfs"]["diff_ids"])


def _entry(
    number: int, layer: tarfile.TarFile, info: tarfile.TarInfo, needles: tuple[bytes, ...]
) -> Entry:
    content = layer.extractfile(info).read() if info.isfile() else info.linkname.encode()
    return Entry(
        number,
        "/" + info.name.removeprefix("./").rstrip("/"),
        info.type.decode(),
        info.mode,
        (info.uid, info.gid),
        info.size,
        hashlib.sha256(content).hexdigest(),
        tuple(needle for needle in needles if needle in content),
    )
