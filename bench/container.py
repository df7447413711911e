"""Size and speed of the image: layers, compressed size, cold start of `check`, the digits job.

Usage: python bench/container.py IMAGE [--engine docker] [--runs N]

The image must be there: `docker build --target published --tag IMAGE .`, or the one that
`tests/container/run` left (its engine: see --help). The compressed size is that of all layers above
the base image, as they go over the network.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parent.parent
CHECKED = "coral-output/digits_keras_int8.tflite"


def seconds(command: list[str]) -> float:
    """How long a command takes that must succeed."""
    started = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.monotonic() - started


def layers(engine: str, image: str) -> None:
    """Print what each step of the Dockerfile adds."""
    template = "{{.Size}}\t{{.CreatedBy}}"
    history = subprocess.run(
        [engine, "history", "--no-trunc", "--format", template, image],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in reversed(history.splitlines()):
        size, _, step = line.partition("\t")
        if not size.startswith("0"):
            print(f"  {size:>8}  {step.replace('/bin/sh -c ', '').replace('#(nop) ', '')[:80]}")
    total = json.loads(
        subprocess.run([engine, "image", "inspect", image], check=True, capture_output=True).stdout
    )[0]["Size"]
    print(f"  {total / 1e6:.0f} MB in all, uncompressed")


def compressed(engine: str, image: str) -> None:
    """Print the size of each large layer by compressor; those of the base come first."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        archive = Path(folder) / "image.tar"
        subprocess.run([engine, "save", "-o", str(archive), image], check=True, capture_output=True)
        with tarfile.open(archive) as outer:
            manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
            names = manifest[0]["Layers"]
            outer.extractall(folder, filter="data")
        # The folder is gone by here if extraction failed; sizes are taken while it exists.
        totals: dict[str, int] = {}
        for number, name in enumerate(names):
            layer = Path(folder) / name
            for tool in (["gzip", "-6"], ["zstd", "-10", "-T0"]):
                try:
                    size = _piped_size(tool, layer)
                except FileNotFoundError:
                    continue
                totals[tool[0]] = totals.get(tool[0], 0) + size
                print(f"  layer {number}, {' '.join(tool)}: {size / 1e6:.1f} MB")
        for tool, size in totals.items():
            print(f"  all layers, {tool}: {size / 1e6:.0f} MB")


def _piped_size(tool: list[str], layer: Path) -> int:
    size = 0
    with layer.open("rb") as file:
        process = subprocess.Popen([*tool, "-c"], stdin=file, stdout=subprocess.PIPE)
        assert process.stdout is not None
        while chunk := process.stdout.read(1 << 20):
            size += len(chunk)
        process.wait()
    return size


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image")
    parser.add_argument(
        "--engine",
        default="docker",
        help="docker or podman; for the container test's image set CONTAINERS_CONF and "
        "CONTAINERS_STORAGE_CONF to the files in /var/tmp/coral-container-test",
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--no-compression", action="store_true")
    arguments = parser.parse_args()
    engine, image = arguments.engine, arguments.image
    print(machine())
    layers(engine, image)
    if not arguments.no_compression:
        compressed(engine, image)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["cp", "-r", f"{PROJECT}/examples/digits/.", folder], check=True)
        mount = f"{folder}:/github/workspace"
        start = [engine, "run", "--rm", "--network", "none", "--volume", mount]
        job = [*start, image, "run", "--compiler", "none", "--quiet"]
        jobs = [seconds(job) for _ in range(arguments.runs)]
        checks = [seconds([*start, image, "check", CHECKED]) for _ in range(arguments.runs)]
        empty = [
            seconds([*start, "--entrypoint", "/bin/true", image]) for _ in range(arguments.runs)
        ]
    for name, values in (
        ("digits job, three forms", jobs),
        ("check", checks),
        ("a container that does nothing", empty),
    ):
        middle, best = statistics.median(values), min(values)
        print(f"{name}: {middle:.2f} s (median of {len(values)}, best {best:.2f})")


if __name__ == "__main__":
    main()
