"""How fast samples are read, beside what, and in how much memory.

Usage: `python bench/data.py [--images 5000] [--skip-tensorflow]`. It writes
its images to a temporary folder (85 kB each) and takes some minutes. Libraries get one thread each;
"per core" means per second of CPU time. What is compared takes turns in one process, and the best
of many rounds counts: the one least disturbed by others on the machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import machine

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
SIZE = 224
ROUNDS = 3
TURNS = 15
TURN_IMAGES = 100
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Input:
    """The input of a typical classifier."""

    name: str = "image"
    shape: tuple[int, ...] = (1, SIZE, SIZE, 3)
    dtype: str = "float32"


def make_images(folder: Path, count: int) -> None:
    """JPEG files of 640x480 with as much detail as a photograph.

    After the first hundred they repeat, with a number behind the end of the image: other files to
    us, the same work for the decoder.
    """
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    y, x = np.mgrid[:480, :640]
    contents: list[bytes] = []
    for number in range(count):
        if number < 100:
            waves = sum(
                rng.uniform(5, 60) * np.sin(x * rng.uniform(0.005, 0.4) + y * rng.uniform(0, 0.4))
                for _ in range(6)
            )
            grain, colour = rng.normal(0, 6, (480, 640, 3)), rng.uniform(60, 190, 3)
            pixels = np.clip(waves[..., None] + grain + colour, 0, 255).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
            contents.append(buffer.getvalue())
        content = contents[number % len(contents)] + str(number).encode()
        (folder / f"{number:05}.jpg").write_bytes(content)


def samples_of(folder: Path, count: int) -> Any:
    """The samples as a run would open them."""
    from coral_action.config.data_schema import CalibrationConfig, PreprocessConfig
    from coral_action.config.paths import PathRules
    from coral_action.data import open_samples

    config = CalibrationConfig(images=str(folder), samples=count, shuffle=False)
    preprocess = PreprocessConfig(preset="keras.mobilenet")
    return open_samples(config, preprocess, PathRules(folder, folder), [Input()])


def read_ours_pixels(folder: Path, count: int) -> int:
    """What plain Pillow does, our way: checked, decoded, upright, resized, to 8-bit pixels."""
    from coral_action.config.data_schema import PreprocessConfig
    from coral_action.config.paths import PathRules
    from coral_action.data.files import find_files
    from coral_action.data.images import SUFFIXES, decode_image
    from coral_action.data.preprocess import ImagePreprocessor

    files = find_files(str(folder), SUFFIXES, PathRules(folder, folder), "images")
    preprocess = ImagePreprocessor(PreprocessConfig(preset="keras.mobilenet"), Input())
    done = 0
    for index in range(count):
        image = decode_image(files.read(index), files.names[index])
        done += preprocess.pixels(image).shape[0] // SIZE
    return done


def read_ours(folder: Path, count: int) -> int:
    """Our samples: checked, decoded, resized, scaled, hashed."""
    return sum(1 for _ in samples_of(folder, count))


def read_ours_with_statistics(folder: Path, count: int) -> int:
    """The same with what the diagnosis needs."""
    from coral_action.data import SampleStatistics, diagnose

    samples = samples_of(folder, count)
    statistics = SampleStatistics(samples.profile)
    for sample in samples:
        statistics.add(sample)
    diagnose(statistics)
    return len(statistics.records)


def read_pillow(folder: Path, count: int) -> int:
    """Plain Pillow: decode and resize, to 8-bit pixels."""
    import numpy as np
    from PIL import Image

    done = 0
    for path in sorted(folder.iterdir())[:count]:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        done += np.asarray(resized).shape[0] // SIZE
    return done


def read_pillow_scaled(folder: Path, count: int) -> int:
    """Pillow and the scaling that the model needs: what a script would do."""
    import numpy as np
    from PIL import Image

    done = 0
    for path in sorted(folder.iterdir())[:count]:
        with Image.open(path) as image:
            resized = image.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        values = (np.asarray(resized, np.float32) - 127.5) / 127.5
        done += values.shape[0] // SIZE
    return done


def read_tensorflow(folder: Path, count: int, *, antialias: bool = False) -> int:
    """tf.io and tf.image, one image after the other."""
    import tensorflow as tf

    done = 0
    for path in sorted(folder.iterdir())[:count]:
        image = tf.io.decode_jpeg(tf.io.read_file(str(path)), channels=3)
        resized = tf.image.resize(image, (SIZE, SIZE), antialias=antialias)
        values = (resized - 127.5) / 127.5
        done += values.shape[0] // SIZE
    return done


def read_tensorflow_antialiased(folder: Path, count: int) -> int:
    """The same with the filter that Pillow's corresponds to."""
    return read_tensorflow(folder, count, antialias=True)


def infer(folder: Path, count: int) -> int:
    """A float MobileNetV2 on one sample again and again."""
    runner, sample = _runner(folder), next(iter(samples_of(folder, 1)))
    for _ in range(count):
        runner.run(sample.inputs)
    return count


def read_and_infer(folder: Path, count: int) -> int:
    """Decoding beside inference, as in a run."""
    runner = _runner(folder)
    for sample in samples_of(folder, count):
        runner.run(sample.inputs)
    return count


def _runner(folder: Path) -> Any:
    from coral_action.inference import Runner
    from coral_action.tflite import read_model

    path = folder.parent / "mobilenet.tflite"
    model = read_model(path)
    runner = Runner(path, {"image": next(iter(model.input_names().values()))}, model.output_names())
    return runner


def make_model(path: Path) -> None:
    """A MobileNetV2 with random weights: only its cost counts."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    model = tf.keras.applications.MobileNetV2(weights=None)
    spec = tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32)
    call = tf.function(lambda image: model(image, training=False))
    frozen = convert_variables_to_constants_v2(call.get_concrete_function(spec))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    path.write_bytes(converter.convert())


TASKS: dict[str, Callable[[Path, int], int]] = {
    task.__name__: task
    for task in (
        read_ours_pixels,
        read_ours,
        read_ours_with_statistics,
        read_pillow,
        read_pillow_scaled,
        read_tensorflow,
        read_tensorflow_antialiased,
        infer,
        read_and_infer,
    )
}


def measure(task: str, folder: Path, count: int, warm: int) -> dict[str, float]:
    """Seconds (wall and CPU) and peak resident memory of one task in a process of its own."""
    script = str(Path(__file__).resolve())
    command = [sys.executable, script, "--task", task, str(folder), str(count)]
    environment = {**os.environ, **ONE_THREAD, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["CORAL_BENCH_WARM"] = str(warm)
    output = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    return result


def peak_mib() -> float:
    """Peak resident memory of this process; ru_maxrss would begin with that of its parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no VmHWM: memory is measured on Linux only")


def run_task(task: str, folder: Path, count: int) -> None:
    """The side of the child: warm up, run, print JSON."""
    warm = int(os.environ["CORAL_BENCH_WARM"])
    if warm:
        TASKS[task](folder, warm)
    wall, cpu = time.perf_counter(), time.process_time()
    done = TASKS[task](folder, count)
    figures = {
        "images": done,
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mib": peak_mib(),
    }
    print(json.dumps(figures))


def throughput(folder: Path, *, tensorflow: bool) -> None:
    """Print images per second per core."""
    tasks = ["read_pillow", "read_ours_pixels", "read_pillow_scaled"]
    tasks += ["read_ours", "read_ours_with_statistics"]
    if tensorflow:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        tasks += ["read_tensorflow", "read_tensorflow_antialiased"]
    best = dict.fromkeys(tasks, float("inf"))
    for _ in range(TURNS):
        for task in tasks:
            cpu = time.process_time()
            TASKS[task](folder, TURN_IMAGES)
            best[task] = min(best[task], time.process_time() - cpu)
    print(f"\nJPEG of 640x480 to {SIZE}x{SIZE}x3, images per second per core")
    for task in tasks:
        rate, share = TURN_IMAGES / best[task], best["read_pillow"] / best[task]
        print(f"  {task:28} {rate:7.1f}   {share:5.2f} of plain Pillow", flush=True)


def overlap(folder: Path, count: int) -> None:
    """Print how much of the decoding hides behind inference."""
    make_model(folder.parent / "mobilenet.tflite")
    print(f"\nwall time of {count} samples through a float MobileNetV2")
    for task in ("read_ours", "infer", "read_and_infer"):
        figures = min(
            (measure(task, folder, count, 20) for _ in range(ROUNDS)), key=lambda r: r["wall"]
        )
        print(f"  {task:28} {figures['wall']:6.2f} s   ({figures['cpu']:.2f} s of CPU)")


def memory(folder: Path, counts: tuple[int, int]) -> None:
    """Print the peak resident memory for few and for many images."""
    print("\npeak resident memory, with statistics and diagnosis")
    peaks = []
    for count in counts:
        peaks.append(measure("read_ours_with_statistics", folder, count, 0)["peak_mib"])
        print(f"  {count:6} images {peaks[-1]:8.1f} MiB")
    print(f"  difference {100 * (peaks[1] / peaks[0] - 1):+.1f} %")


def main() -> None:
    """Make the images, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000, help="for the measure of memory")
    parser.add_argument("--timed", type=int, default=400, help="for the measures of time")
    parser.add_argument("--skip-tensorflow", action="store_true")
    parser.add_argument("--task", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        task, folder, count = options.task
        run_task(task, Path(folder), int(count))
        return
    print(machine())
    with tempfile.TemporaryDirectory(prefix="coral-bench-") as temporary:
        folder = Path(temporary, "images")
        folder.mkdir()
        make_images(folder, options.images)
        memory(folder, (100, options.images))
        throughput(folder, tensorflow=not options.skip_tensorflow)
        if not options.skip_tensorflow:
            overlap(folder, options.timed)


if __name__ == "__main__":
    main()
