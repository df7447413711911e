"""Files that attack whoever opens them, through the main job: stopped, said clearly, exit code."""

from __future__ import annotations

import io
import json
import os
import pickle
import resource
import shutil
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from harness import Command, Finished

HUGE = 10 * 10**9
# What the attacks write where they run; no child may write it there, so it also tells by errors.
MARK = "code-was-run"
_LAMBDA = {
    "class_name": "Lambda",
    "config": {
        "name": "evil",
        "function": ["4wEAAAA=", None, None],  # marshalled code in base64, as Keras writes it
        "function_type": "lambda",
    },
}


class Trap:
    """Unpickled, it runs a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {MARK}",)


def sequential(layer: dict[str, Any]) -> str:
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 8], "name": "x"}}
    return json.dumps(
        {"class_name": "Sequential", "config": {"name": "s", "layers": [first, layer]}}
    )


def lambda_keras(path: Path) -> None:
    weights = io.BytesIO()
    with h5py.File(weights, "w"):
        pass
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", sequential(_LAMBDA))
        archive.writestr("metadata.json", '{"keras_version": "3.15.1"}')
        archive.writestr("model.weights.h5", weights.getvalue())


def lambda_h5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = sequential(_LAMBDA)
        file.attrs["keras_version"] = "2.15.0"
        file.attrs["backend"] = "tensorflow"
        file.create_group("model_weights")


def pickled_npy(path: Path) -> None:
    content = pickle.dumps(Trap())
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (4,)}".ljust(117) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content)


def image_bomb(path: Path) -> None:
    """A PNG of some hundred bytes that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 100_000, 9)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)


def sparse(path: Path, head: bytes) -> None:
    """A file of 10 GB that takes a few bytes of disk."""
    path.write_bytes(head)
    with path.open("r+b") as file:
        file.truncate(HUGE)


def npy_head(shape: tuple[int, ...]) -> bytes:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": shape}
    )
    return head.getvalue()


# name: (keys of the model in coral.yml, what the error says)
ATTACKS = {
    "lambda_keras": ("source: lambda.keras", "code of its own: evil (Lambda)"),
    "lambda_h5": ("source: lambda.h5", "code of its own: evil (Lambda)"),
    "sparse_tflite": ("source: sparse.tflite", "too many for a model"),
    "sparse_h5": ("source: sparse.h5", "too many for a model"),
    "sparse_pb": ("source: sparse.pb", "too many for a model"),
    "pickled_npy": ("npy: pickled.npy", "pickled Python objects"),
    "hook": ("python: hook.py:samples", "which is not allowed here"),
    "image_bomb": ("images: bombs", "too many"),
    "sparse_image": ("images: images", "too many"),
    "sparse_npy": ("npy: sparse.npy", "cut short"),
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Path:
    """All attacks in one repository."""
    folder = tmp_path_factory.mktemp("attacks")
    folder.chmod(0o777)  # nothing but the sandbox keeps anybody from writing here
    shutil.copytree(digits / "saved_model", folder / "saved_model")
    lambda_keras(folder / "lambda.keras")
    lambda_h5(folder / "lambda.h5")
    pickled_npy(folder / "pickled.npy")
    (folder / "hook.py").write_text(f"open({MARK!r}, 'w')\ndef samples(): yield from ()\n")
    for name in ("bombs", "images"):
        (folder / name).mkdir()
    image_bomb(folder / "bombs" / "bomb.png")
    sparse(folder / "images" / "sparse.png", b"\x89PNG\r\n\x1a\n")
    sparse(folder / "sparse.tflite", b"\x1c\0\0\0TFL3")
    sparse(folder / "sparse.h5", b"\x89HDF\r\n\x1a\n")
    sparse(folder / "sparse.pb", b"\x0a\x10")
    sparse(folder / "sparse.npy", npy_head((6_000_000, 28, 28, 1)))
    lines = ["version: 1", "models:"]
    for name, (keys, _) in ATTACKS.items():
        key, _, value = keys.partition(": ")
        source = value if key == "source" else "saved_model"
        data = f"{key}: {value}" if key != "source" else "npy: none.npy"
        lines += [f"  - name: {name}", f"    source: {source}"]
        lines += [f"    calibration: {{{data}, samples: 8}}"]
    (folder / "coral.yml").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(workspace: Path, command: Command) -> Finished:
    words = ("--config", workspace / "coral.yml", "--output", workspace / "out")
    return command("run", *words, "--workspace", workspace, "--compiler", "none", "--jobs", 2)


@pytest.fixture(scope="module")
def models(run: Finished, workspace: Path) -> dict[str, Any]:
    report = json.loads((workspace / "out" / "report.json").read_text())
    return {model["name"]: model for model in report["models"]}


@pytest.mark.parametrize("name", ATTACKS)
def test_stopped_and_said(models: dict[str, Any], name: str) -> None:
    assert models[name]["status"] == "failed"
    assert ATTACKS[name][1] in models[name]["error"]["message"]
    assert models[name]["error"]["hint"] or name in ("sparse_image", "image_bomb", "sparse_npy")


def test_exit_code_and_no_traceback(run: Finished) -> None:
    assert run.code == 2  # the worst: a hook without permission is a wrong use
    assert "Traceback" not in run.stdout + run.stderr


def test_nothing_ran(models: dict[str, Any], workspace: Path) -> None:
    assert list(workspace.rglob(MARK)) == []


def test_memory_stayed_flat(models: dict[str, Any]) -> None:
    """10 GB files cost nobody 10 GB; all children of this test run count."""
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 4 * 2**20  # KiB


def test_one_attack_alone_is_the_models_fault(workspace: Path, command: Command) -> None:
    words = ("--config", workspace / "coral.yml", "--output", workspace / "alone", "--quiet")
    for name in ("lambda_keras", "pickled_npy"):
        finished = command("run", *words, "--model", name, "--compiler", "none")
        assert finished.code == 3
        assert ATTACKS[name][1] in finished.stderr
