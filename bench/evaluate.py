"""Float and int8 of MobileNetV2 224 over 1,000 images: ours against the plain interpreter loop.

Usage: python bench/evaluate.py [--samples N] [--runs N]

Weights are random, which changes nothing about the time; images are JPEGs of 500 x 375. The plain
loop is bench/plain_accuracy.py: tf.lite.Interpreter with its own choice of threads, all images for
float, then all images for int8. Runs alternate. Predictions must be identical. Timed are whole
processes that do nothing else, the loops alone, and what `evaluation` in coral.yml adds to
`coral-quantize run`, against the process of the plain loop that one would run instead. On a busy
machine look at the processor time: on idle cores a loop takes as long as its processor time divided
by the cores that it uses.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parent.parent
CONFIG = """version: 1
models:
  - name: mobilenet
    source: model.keras
    calibration: {images: images, samples: 20}
    preprocess: {mean: 127.5, std: 127.5}
    evaluation: {images: images, labels: folders, metrics: [top1]}
"""
RUN = """version: 1
models:
  - name: mobilenet
    source: float.tflite
    calibration: {images: images, samples: 20, method: min_max}
    preprocess: {mean: 127.5, std: 127.5}
"""
EVALUATION = "    evaluation: {images: images, labels: folders, metrics: [top1]}\n"
# Batch normalization learns these images' statistics, or else activations of random weights fade to
# 1e-8. The last layer is moved so that the images spread over many classes; else all have the same
# one, and equal predictions say nothing.
KERAS = """
import glob, keras, numpy as np
from PIL import Image
keras.utils.set_random_seed(0)
model = keras.applications.MobileNetV2(weights=None, classifier_activation=None)
files = sorted(glob.glob("images/*/*.jpg"))[:64]
pixels = [np.array(Image.open(f).resize((224, 224), Image.Resampling.BILINEAR)) for f in files]
inputs = (np.stack(pixels) - 127.5) / 127.5
for layer in model.layers:
    if isinstance(layer, keras.layers.BatchNormalization):
        layer.momentum = 0.0
model(inputs, training=True)
scores = model.predict(inputs, verbose=0)
kernel, bias = model.layers[-1].get_weights()
scale = 2 / scores.std(axis=0).mean()
model.layers[-1].set_weights([kernel * scale, (bias - scores.mean(axis=0)) * scale])
keras.Model(model.input, keras.layers.Softmax()(model.output)).save("model.keras")
"""
SIZE = (500, 375)  # about what ImageNet's photographs have


def make_model_and_images(folder: Path, samples: int, config: str) -> None:
    """A model, smooth random images in two class folders, and their coral.yml."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(samples):
        file = folder / "images" / "ab"[i % 2] / f"{i:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (30, 40, 3), dtype=np.uint8))
        coarse.resize(SIZE, Image.Resampling.BICUBIC).save(file, quality=90)
    subprocess.run([sys.executable, "-c", KERAS], cwd=folder, check=True, capture_output=True)
    (folder / "coral.yml").write_text(config)


def prepare(folder: Path, samples: int) -> None:
    """What is evaluated: the model's float and int8 files, and images."""
    make_model_and_images(folder, samples, CONFIG)
    sys.path.insert(0, str(PROJECT))
    config, model, int8, paths = opened(folder, load=True)
    from coral_action.quantization import quantize_model

    quantize_model(config, model, paths, int8)


def opened(folder: Path, *, load: bool = False) -> tuple:
    """The config, the float model, the path of int8 and the path rules."""
    from coral_action.config.loader import load_config
    from coral_action.config.paths import PathRules
    from coral_action.loading import FloatModel, load_model

    config, paths = load_config(folder / "coral.yml").models[0], PathRules(folder)
    kept = folder / "float.json"
    if load:
        model = load_model(config, paths, folder / "float.tflite")
        kept.write_text(json.dumps(model.to_json()))
    return config, FloatModel.from_json(json.loads(kept.read_text())), folder / "int8.tflite", paths


def ours(folder: Path) -> None:
    """In a process of its own: evaluate, and print how long it took."""
    sys.path.insert(0, str(PROJECT))
    from coral_action.evaluation import evaluate

    config, model, int8, paths = opened(folder)
    started = time.monotonic()
    accuracy = evaluate(config, model, int8, paths)
    seconds = time.monotonic() - started
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "agreement": accuracy.agreement, "peak_mib": peak}))


def predictions(folder: Path) -> list[list[int]]:
    """What our workers choose for each sample, float and int8."""
    from coral_action.evaluation.columns import FLOAT_CHOICE, INT8_CHOICE
    from coral_action.evaluation.gather import gather

    options = {"allow_custom_code": False, "known_float_outputs": None, "workers": 2}
    gathered = gather(*opened(folder), **options, limits=None, on_progress=None)
    choices = gathered.columns.stacked("choices")
    return [choices[:, column].astype(int).tolist() for column in (FLOAT_CHOICE, INT8_CHOICE)]


def timed(command: list[str], folder: Path) -> tuple[float, float, list | dict]:
    """Wall and processor seconds of a process with its children; the JSON in its last line."""
    started, before = time.monotonic(), processor_seconds()
    result = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    wall, processor = time.monotonic() - started, processor_seconds() - before
    return wall, processor, json.loads(result.stdout.splitlines()[-1])


def added_to_a_run(folder: Path) -> tuple[float, float]:
    """Seconds that the evaluation adds to the main job, and of a search for layers beside them.

    Random weights lose more than rounding explains, so the run goes on to look for the layers with
    the largest error. That is no part of measuring accuracy, and the plain loop does not do it.
    """
    seconds, layers = [], 0.0
    for name, config in (("with.yml", RUN + EVALUATION), ("without.yml", RUN)):
        (folder / name).write_text(config)
        command = [sys.executable, "-m", "coral_action", "run", "--compiler", "none", "--no-cache"]
        command += ["--quiet", "--config", str(folder / name), "--output", str(folder / "out")]
        started = time.monotonic()
        subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
        seconds.append(time.monotonic() - started)
        report = json.loads((folder / "out/report.json").read_text())
        layers += report["models"][0]["seconds"].get("layer errors", 0.0)
    return seconds[0] - seconds[1] - layers, layers


def processor_seconds() -> float:
    """Of all child processes that have ended."""
    now = os.times()
    return now.children_user + now.children_system


def note(times: dict, who: str, *seconds: float) -> None:
    """Keep one run's times, in the order of the kinds."""
    for kind, value in zip(times, seconds, strict=True):
        times[kind][who].append(value)


def main() -> None:
    """Alternate both, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ours", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ours:
        ours(arguments.ours)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prepare(folder, arguments.samples)
        script = str(PROJECT / "bench" / "plain_accuracy.py")
        scaling = ["--images", "images", "--mean", "127.5", "--std", "127.5"]
        plain = [sys.executable, script, *scaling, "float.tflite", "int8.tflite"]
        own = [sys.executable, str(Path(__file__).resolve()), "--ours", str(folder)]
        kinds_of_time = ("whole process", "loops alone", "processor time", "added to a run")
        times: dict[str, dict[str, list[float]]] = {
            kind: {"plain": [], "ours": []} for kind in kinds_of_time
        }
        searches: list[float] = []
        for _ in range(arguments.runs):
            wall, processor, models = timed(plain, folder)
            loop = sum(model["seconds"] for model in models)
            note(times, "plain", wall, loop, processor, wall)
            wall, processor, result = timed(own, folder)
            added, layers = added_to_a_run(folder)
            searches.append(layers)
            note(times, "ours", wall, result["seconds"], processor, added)
        same = predictions(folder) == [model["chosen"] for model in models]
        spread = len(set(models[0]["chosen"]))
    print(machine())
    print(f"{arguments.samples} images, float and int8, medians of {arguments.runs} runs")
    for what, pair in times.items():
        before, after = (statistics.median(pair[who]) for who in ("plain", "ours"))
        print(f"  {what}: plain {before:.2f} s, ours {after:.2f} s, {before / after:.2f} times")
    layers = statistics.median(searches)
    print(
        f"  not counted: the search for layers, as the loss is too large: {layers:.2f} s of a run"
    )
    print(f"  largest worker process: {result['peak_mib']:.0f} MiB")
    print(f"  identical predictions: {'yes' if same else 'NO'} ({spread} different classes)")


if __name__ == "__main__":
    main()
