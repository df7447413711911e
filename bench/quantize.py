"""Wall time and peak memory of quantizing MobileNetV2: the plain converter against this project.

Whole processes in alternating runs, on a SavedModel of MobileNetV2 1.0 224 with random weights and
224 x 224 JPEG images. Ours is `coral-quantize run` with `method: min_max`, no evaluation and no
compiler, so that both are asked for the same result. How time grows with the number of images is
compared with a float forward pass on one core, which is timed in every round, too: a machine in a
data centre is some per cent faster or slower from one minute to the next.

Usage: python bench/quantize.py [--runs N] [--slope-runs N] [--samples N ...]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parent.parent

MAKE = """
import keras, numpy as np, sys
from pathlib import Path
from PIL import Image
keras.utils.set_random_seed(0)
keras.applications.MobileNetV2(weights=None).export(sys.argv[1] + "/model", verbose=False)
generator = np.random.default_rng(0)
folder = Path(sys.argv[1], "images")
folder.mkdir()
for i in range(int(sys.argv[2])):
    coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((224, 224), Image.Resampling.BILINEAR)
    image.save(folder / f"{i:04}.jpg", quality=90)
"""

# What the TensorFlow documentation shows under "full integer quantization".
PLAIN = """
import sys
from pathlib import Path
import numpy as np
import tensorflow as tf
from PIL import Image
folder, count = Path(sys.argv[1]), int(sys.argv[2])

def representative_dataset():
    for path in sorted((folder / "images").iterdir())[:count]:
        image = Image.open(path).convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)
        yield [((np.asarray(image, np.float32) - 127.5) / 127.5)[np.newaxis]]

converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "model"))
converter.optimizations = [tf.lite.Optimize.DEFAULT]
converter.representative_dataset = representative_dataset
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = tf.int8
converter.inference_output_type = tf.int8
(folder / "plain_int8.tflite").write_bytes(converter.convert())
"""

OURS = """
version: 1
models:
  - name: mobilenet
    source: model
    calibration: {{images: images, samples: {count}, method: min_max}}
    preprocess: {{mean: 127.5, std: 127.5}}
"""

FORWARD = """
import sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from coral_action.loading.light import convert_saved_model
content = convert_saved_model(sys.argv[1] + "/model", None, {})
interpreter = Interpreter(model_content=content, num_threads=1)
interpreter.allocate_tensors()
x = np.random.default_rng(0).uniform(-1, 1, (1, 224, 224, 3)).astype(np.float32)
times = []
for _ in range(60):
    started = time.perf_counter()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    times.append(time.perf_counter() - started)
print(sorted(times)[30])
"""


@dataclass
class Run:
    """One run of one side: wall time, and the processor time of the process and its children."""

    wall: float
    cpu: float


def main() -> None:
    """Run both sides and print medians, ratios, slopes and memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--slope-runs", type=int, default=0, help="further rounds of ours alone")
    parser.add_argument("--samples", type=int, nargs="+", default=[100, 500])
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python("-c", MAKE, name, str(max(options.samples)))
        runs: dict[tuple[str, int], list[Run]] = {}
        forward: list[float] = []
        for number in range(options.runs + options.slope_runs):
            for side in ("ours", "plain") if number < options.runs else ("ours",):
                for count in options.samples:
                    run = timed(command(side, folder, count))
                    runs.setdefault((side, count), []).append(run)
            forward.append(float(python("-c", FORWARD, str(folder), str(PROJECT))))
        for count in options.samples:
            print_times(count, runs["plain", count], runs["ours", count])
        if len(options.samples) > 1:
            for side in ("plain", "ours"):
                low, high = min(options.samples), max(options.samples)
                print_slope(side, runs[side, low], runs[side, high], high - low, forward)
        for side in ("plain", "ours"):
            largest, together = memory(command(side, folder, options.samples[0]))
            print(
                f"N={options.samples[0]} {side:5}: largest process {largest:.0f} MB resident, "
                f"all processes at one time {together:.0f} MB (proportional set size)"
            )


def print_times(count: int, plain: list[Run], ours: list[Run]) -> None:
    """Medians of both sides, and their ratio."""
    medians = []
    for side, runs in (("plain", plain), ("ours", ours)):
        medians.append(statistics.median(run.wall for run in runs))
        walls = " ".join(f"{run.wall:.2f}" for run in runs)
        cpu = statistics.median(run.cpu for run in runs)
        print(
            f"N={count} {side:5}: {medians[-1]:6.2f} s median of {walls}; "
            f"processor time {cpu:.2f} s"
        )
    print(f"N={count} ratio: {medians[0] / medians[1]:.2f}")


def print_slope(
    side: str, few: list[Run], many: list[Run], further: int, forward: list[float]
) -> None:
    """Time per further sample against one float forward pass divided by the cores."""
    cores = len(os.sched_getaffinity(0))
    pass_ = statistics.median(forward)
    slopes = [(b.wall - a.wall) / further for a, b in zip(few, many, strict=True)]
    slope = statistics.median(slopes)
    each = " ".join(f"{s / (f / cores):.2f}" for s, f in zip(slopes, forward, strict=False))
    print(
        f"{side:5}: {slope * 1000:.2f} ms per sample, {slope / (pass_ / cores):.2f} times a "
        f"forward pass ({pass_ * 1000:.2f} ms on one core) divided by {cores} cores; "
        f"round by round {each}"
    )


def command(side: str, folder: Path, count: int) -> list[str]:
    """The command line of one side."""
    if side == "plain":
        return [sys.executable, "-c", PLAIN, str(folder), str(count)]
    config = folder / f"coral-{count}.yml"
    config.write_text(OURS.format(count=count))
    return [
        *(sys.executable, "-m", "coral_action", "run", "--quiet", "--compiler", "none"),
        "--no-cache",
        *("--config", str(config), "--output", str(folder / "output")),
    ]


def timed(words: list[str]) -> Run:
    """Run to the end; output is dropped."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(words, cwd=PROJECT, check=True, capture_output=True)
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, cpu)


def memory(words: list[str]) -> tuple[float, float]:
    """Peak MB of the largest process, and of all of them together, sampled ten times a second."""
    child = subprocess.Popen(
        words, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    largest = together = 0.0
    waiter = threading.Thread(target=child.wait)
    waiter.start()
    while waiter.is_alive():
        sizes = [proportional(pid) for pid in family(child.pid)]
        largest = max([largest, *(resident for resident, _ in sizes)])
        together = max(together, sum(share for _, share in sizes))
        waiter.join(0.1)
    return largest, together


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(fields[1])
    found = [pid]
    for member in found:
        found += [child for child, parent in parents.items() if parent == member]
    return found


def proportional(pid: int) -> tuple[float, float]:
    """Resident and proportional set size of a process in MB."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split(":")[0]: line.split()[1] for line in lines[1:]}
    return int(sizes.get("Rss", 0)) / 1000, int(sizes.get("Pss", 0)) / 1000


def python(*words: str) -> str:
    """Run a script with this interpreter and return what it prints."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, *words], check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


if __name__ == "__main__":
    main()
