"""Top-1 the plain way: one interpreter, one loop, nothing of coral-quantize.

    python bench/plain_accuracy.py --npz evaluation.npz float.tflite int8.tflite
    python bench/plain_accuracy.py --images test --mean 127.5 --std 127.5 float.tflite int8.tflite

An .npz has x and y; a folder has one folder of gray or colour images a class. Prints JSON: for each
model its top-1, the seconds of its loop, and the class that it chose for each sample.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def npz_samples(path: Path) -> Iterator[tuple[np.ndarray, int]]:
    """The arrays x and y as they are."""
    with np.load(path) as archive:
        yield from zip(archive["x"], archive["y"], strict=True)


def image_samples(
    folder: Path, mean: float, std: float, size: list[int]
) -> Iterator[tuple[np.ndarray, int]]:
    """Images by class folder, in sorted order."""
    for label, name in enumerate(sorted(p.name for p in folder.iterdir() if p.is_dir())):
        for file in sorted((folder / name).iterdir()):
            height, width, channels = size
            image = Image.open(file).convert("L" if channels == 1 else "RGB")
            pixels = np.array(image.resize((width, height), Image.Resampling.BILINEAR))
            yield (pixels.reshape(size).astype(np.float32) - mean) / std, label


def evaluate(model: Path, arguments: argparse.Namespace) -> dict:
    """The loop of every tutorial."""
    import tensorflow as tf

    interpreter = tf.lite.Interpreter(str(model))
    interpreter.allocate_tensors()
    before, after = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if arguments.npz:
        samples = npz_samples(arguments.npz)
    else:
        size = list(before["shape"][1:])
        samples = image_samples(arguments.images, arguments.mean, arguments.std, size)
    chosen, right, started = [], 0, time.monotonic()
    for value, label in samples:
        value = np.asarray(value, dtype=np.float32).reshape(before["shape"])
        if before["dtype"] != np.float32:
            scale, zero_point = before["quantization"]
            limits = np.iinfo(before["dtype"])
            value = np.clip(np.round(value / scale) + zero_point, limits.min, limits.max)
        interpreter.set_tensor(before["index"], value.astype(before["dtype"]))
        interpreter.invoke()
        chosen.append(int(np.argmax(interpreter.get_tensor(after["index"]))))
        right += chosen[-1] == label
    seconds = time.monotonic() - started
    top1 = right / len(chosen)
    result = {"model": str(model), "samples": len(chosen), "top1": top1, "seconds": seconds}
    return {**result, "chosen": chosen}


def main() -> None:
    """Read the arguments and print the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--npz", type=Path)
    source.add_argument("--images", type=Path)
    parser.add_argument("--mean", type=float, default=0.0)
    parser.add_argument("--std", type=float, default=1.0)
    arguments = parser.parse_args()
    print(json.dumps([evaluate(model, arguments) for model in arguments.models]))


if __name__ == "__main__":
    main()
