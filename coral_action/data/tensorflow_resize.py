"""tf.image.resize without TensorFlow: its arithmetic in float32, without antialiasing.

Output pixel i of n lies at input coordinate (i + 0.5) * (inputs / n) - 0.5 ("half pixel centers").
Unlike Pillow, bilinear and bicubic look at 2 and 4 input pixels a side, however much the image
shrinks, and results are not rounded to 8 bits. Rules after TensorFlow 2.21,
core/kernels/image/resize_{nearest_neighbor,bilinear,bicubic,area}_op.cc, half_pixel_centers=True.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.intp]

_CUBIC_A = np.float32(-0.5)  # Keys, which TensorFlow uses with half pixel centers
_CUBIC_STEPS = 1024  # TensorFlow reads the cubic from a table of this many steps


def tensorflow_resize(pixels: npt.NDArray[Any], height: int, width: int, method: str) -> Floats:
    """An image of shape (rows, columns, channels) resized as tf.image.resize does it.

    Args:
        pixels: any numbers; computed in float32.
        height: rows of the result.
        width: columns of the result.
        method: nearest, bilinear, bicubic or area.

    Returns:
        float32 of shape (height, width, channels).
    """
    image = pixels.astype(np.float32)
    if image.shape[:2] == (height, width):
        return image  # tf.image.resize returns it untouched, whatever the method
    return _METHODS[method](image, height, width)


def _centers(inputs: int, outputs: int) -> Floats:
    """Input coordinate of the middle of each output pixel, where 0 is the first pixel's edge."""
    scale = np.float32(inputs) / np.float32(outputs)
    return (np.arange(outputs, dtype=np.float32) + np.float32(0.5)) * scale


def _nearest(image: Floats, height: int, width: int) -> Floats:
    rows, columns = (
        np.minimum(np.floor(_centers(inputs, outputs)).astype(np.intp), inputs - 1)
        for inputs, outputs in ((image.shape[0], height), (image.shape[1], width))
    )
    result: Floats = image[rows][:, columns]
    return result


def _bilinear(image: Floats, height: int, width: int) -> Floats:
    top, bottom, down = _neighbours(image.shape[0], height)
    left, right, across = _neighbours(image.shape[1], width)
    across, down = across[:, np.newaxis], down[:, np.newaxis, np.newaxis]

    def between(rows: Floats) -> Floats:
        first = rows[:, left]
        return first + (rows[:, right] - first) * across

    # Every row is interpolated across once, though two output rows may need it.
    needed, place = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    rows = between(image[needed])
    upper, lower = rows[place[:height]], rows[place[height:]]
    result: Floats = upper + (lower - upper) * down
    return result


def _neighbours(inputs: int, outputs: int) -> tuple[Indices, Indices, Floats]:
    """Lower and upper input pixel of each output pixel, and how far it lies from the lower."""
    at = _centers(inputs, outputs) - np.float32(0.5)
    floor = np.floor(at)
    lower = np.maximum(floor, 0).astype(np.intp)
    upper = np.minimum(np.ceil(at), inputs - 1).astype(np.intp)
    return lower, upper, (at - floor).astype(np.float32)


def _bicubic(image: Floats, height: int, width: int) -> Floats:
    columns, across = _cubic_weights(image.shape[1], width)
    rows, down = _cubic_weights(image.shape[0], height)
    wide = np.zeros((image.shape[0], width, image.shape[2]), np.float32)
    result = np.zeros((height, width, image.shape[2]), np.float32)
    for k in range(4):
        wide += image[:, columns[:, k]] * across[:, k, np.newaxis]
    for k in range(4):
        result += wide[rows[:, k]] * down[:, k, np.newaxis, np.newaxis]
    return result


def _cubic_weights(inputs: int, outputs: int) -> tuple[Indices, Floats]:
    """Four input pixels of each output pixel and their weights, those outside weighing nothing."""
    at = _centers(inputs, outputs) - np.float32(0.5)
    floor = np.floor(at)
    step = np.rint((at - floor) * np.float32(_CUBIC_STEPS)).astype(np.float32)
    x = step / np.float32(_CUBIC_STEPS)
    a = _CUBIC_A
    near = [((a + 2) * d - (a + 3)) * d * d + 1 for d in (x, 1 - x)]
    far = [((a * d - 5 * a) * d + 8 * a) * d - 4 * a for d in (x + 1, 2 - x)]
    weights = np.stack([far[0], near[0], near[1], far[1]], axis=1).astype(np.float32)
    places = floor.astype(np.intp)[:, np.newaxis] + np.arange(-1, 3)
    weights[(places < 0) | (places >= inputs)] = 0
    total = weights.sum(axis=1, keepdims=True)
    weights = np.where(np.abs(total) >= 1000 * np.finfo(np.float32).tiny, weights / total, weights)
    return np.clip(places, 0, inputs - 1), weights


def _area(image: Floats, height: int, width: int) -> Floats:
    columns = _area_weights(image.shape[1], width)
    rows = _area_weights(image.shape[0], height)
    result: Floats = np.einsum("hr,rcd,wc->hwd", rows, image, columns, optimize=True)
    return result


def _area_weights(inputs: int, outputs: int) -> Floats:
    """How much of each output pixel's area each input pixel covers; rows add up to 1."""
    scale = np.float32(inputs) / np.float32(outputs)
    edges = np.arange(outputs + 1, dtype=np.float32)[:, np.newaxis] * scale
    start, end = edges[:-1], edges[1:]
    pixel = np.arange(inputs, dtype=np.float32)
    covered = np.minimum(end, pixel + 1) - np.maximum(start, pixel)
    covered = np.where((pixel < start) & (pixel + 1 > end), scale, covered)
    weights: Floats = (np.maximum(covered, 0) / scale).astype(np.float32)
    return weights


_METHODS: dict[str, Callable[[Floats, int, int], Floats]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "area": _area,
}
