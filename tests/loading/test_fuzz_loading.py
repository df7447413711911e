"""Damaged model files: truncated or with flipped bits, from a fixed seed.

Whatever is in the file, the parent neither crashes nor hangs, and the user gets exit code 3 and one
line. A file that still loads is no fault: no format but .keras has a checksum, so a flipped bit in
a weight can't be told from a weight. CORAL_FUZZ_CASES=20000 makes a longer run of it.
"""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from coral_action.errors import EXIT_MODEL, CoralQuantizeError
from coral_action.isolation import Limits, run_isolated
from coral_action.loading import FloatModel
from coral_action.tflite import read_model
from tests.loading.fork_server import ForkServer

SEED = 20261123
CASES = int(os.environ.get("CORAL_FUZZ_CASES", "1000"))
REAL_CASES = 30
WORKERS = 2
LIMITS = Limits(seconds=60, memory_bytes=4 * 2**30)
FILES = (
    "unsigned/saved_model.pb",
    "jpeg.pb",
    "rank2.keras",
    "op_layers.h5",
    "float.tflite",
    "tiny.onnx",
)
# What coral.yml says of them.
INPUTS: dict[str, dict[str, Any]] = {"jpeg.pb": {"resized": None}}
Runner = Callable[..., dict[str, Any]]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """The file cut short, or with 1 to 8 flipped bits."""
    if rng.random() < 0.5:
        return content[: rng.randrange(len(content))]
    damaged = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def attempt(
    number: int,
    zoo: Path,
    folder: Path,
    run: Runner,
    change: Callable[[bytes, random.Random], bytes] = mutate,
) -> str:
    """Load one damaged file; how it ended."""
    file = FILES[number % len(FILES)]
    place = folder / str(number)
    place.mkdir()
    source = place / Path(file).name
    if source.name == "saved_model.pb":
        shutil.copytree((zoo / file).parent, place, dirs_exist_ok=True)
    rng = random.Random(SEED * 10**6 + number)
    source.write_bytes(change((zoo / file).read_bytes(), rng))
    request = {
        "source": str(source),
        "signature": None,
        "inputs": INPUTS.get(file, {}),
        "outputs": [],
        "input_shapes": {},
        "constants": {},
        "allow_custom_code": False,
        "output": str(place / "float.tflite"),
    }
    started = time.monotonic()
    try:
        result = run(
            "coral_action.loading.child:load_task", request, stage="loading", limits=LIMITS
        )
    except CoralQuantizeError as error:
        assert error.exit_code == EXIT_MODEL
        assert error.message
        assert "\n" not in error.message
        return f"{Path(file).suffix} {type(error).__name__}"
    finally:
        assert time.monotonic() - started < LIMITS.seconds + 10
        if not (place / "float.tflite").exists():
            shutil.rmtree(place)
    # It loaded after all: then what came out is a whole model.
    assert read_model(FloatModel.from_json(result).path).operators
    shutil.rmtree(place)
    return f"{Path(file).suffix} loaded"


@pytest.fixture
def runners(tmp_path: Path) -> Iterator[list[ForkServer]]:
    servers = [ForkServer(tmp_path) for _ in range(WORKERS)]
    yield servers
    for server in servers:
        server.close()


def test_undamaged_files_load(zoo: Path, tmp_path: Path, runners: list[ForkServer]) -> None:
    """Else the damage would not be what the other tests are about."""
    for number, file in enumerate(FILES):
        if file.endswith(".onnx") and importlib.util.find_spec("onnx2tf") is None:
            continue
        run = runners[0].run_isolated
        end = attempt(number, zoo, tmp_path, run, lambda content, rng: content)
        assert end == f"{Path(file).suffix} loaded"


def test_damaged_files(zoo: Path, tmp_path: Path, runners: list[ForkServer]) -> None:
    def work(worker: int) -> Counter[str]:
        run = runners[worker].run_isolated
        numbers = range(worker, CASES, WORKERS)
        return Counter(attempt(number, zoo, tmp_path, run) for number in numbers)

    with ThreadPoolExecutor(WORKERS) as pool:
        ends = sum(pool.map(work, range(WORKERS)), Counter())
    print("\n".join(f"{count:6} {end}" for end, count in sorted(ends.items())))  # noqa: T201
    assert ends.total() == CASES
    refused = sum(count for end, count in ends.items() if not end.endswith("loaded"))
    assert refused > CASES / 2


def test_damaged_files_in_real_children(zoo: Path, tmp_path: Path) -> None:
    """The same through `run_isolated` itself, for a part of them."""
    with ThreadPoolExecutor(WORKERS) as pool:
        ends = list(pool.map(lambda n: attempt(n, zoo, tmp_path, run_isolated), range(REAL_CASES)))
    assert len(ends) == REAL_CASES
    assert sum(not end.endswith("loaded") for end in ends) > REAL_CASES / 2
