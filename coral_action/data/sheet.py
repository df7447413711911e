"""A small contact sheet for the report, of samples that workers have decoded anyway."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from coral_action.config.data_schema import PreprocessConfig
from coral_action.data.diagnosis import likely_range
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.samples import Array, InputProfile, Profile, Sample

if TYPE_CHECKING:
    from PIL.Image import Image

TILES = 24
MAX_BYTES = 64 << 10  # of the encoded picture
_SIDE = 96  # pixels; larger inputs are shrunk, smaller ones enlarged by a whole number
_COLUMNS = 8
_GAP = 4
_QUALITIES = (80, 60, 40, 20, 5)


class SheetTiles:
    """Small pictures of up to 24 samples, evenly spaced in the whole set whatever the shard.

    Of a model with several inputs the first that looks like an image is shown.
    """

    def __init__(self, profile: Profile, preprocess: PreprocessConfig, total: int) -> None:
        """`total` is the number of samples in all shards together."""
        self._spec = next((spec for spec in profile.inputs if picture_shape(spec)), None)
        self._size = self._spec.shape[1:3] if self._spec else ()
        self._step = max(1, -(-total // TILES))
        self._displayed: ImagePreprocessor | None = None
        if self._spec and self._spec.from_images and (preprocess.preset or not preprocess.expect):
            self._displayed = ImagePreprocessor(preprocess, self._spec)
        self._tiles: dict[int, Array] = {}

    def watching(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        """The same samples; some leave a picture as they pass by."""
        for sample in samples:
            if self._spec is not None and sample.position % self._step == 0:
                values = sample.inputs[self._spec.name]
                pixels = self._displayed.displayed(values) if self._displayed else values
                self._tiles[sample.position] = _shrunk(pixels.reshape(*self._size, -1))
            yield sample

    def save(self, path: Path) -> None:
        """Write an .npz that `contact_sheet` reads."""
        expected = self._spec.expected if self._spec else None
        with path.open("wb") as file:
            np.savez(
                file,
                allow_pickle=False,
                positions=np.array(list(self._tiles), dtype=np.int64),
                tiles=np.array(list(self._tiles.values())),
                expected=np.array(expected or (), dtype=np.float64),
            )


def contact_sheet(parts: Sequence[Path]) -> str | None:
    """All workers' tiles as one picture, a data URI of at most 64 KiB; None if there are none.

    Arrays that are no decoded images are drawn from black, the lowest value of the range that they
    are expected in or else seem to lie in, to white.
    """
    tiles: dict[int, Array] = {}
    expected: tuple[float, ...] = ()
    for part in parts:
        with np.load(part, allow_pickle=False) as held:
            tiles |= dict(zip(held["positions"].tolist(), held["tiles"], strict=True))
            expected = expected or tuple(held["expected"].tolist())
    if not tiles:
        return None
    ordered = np.stack([tiles[position] for position in sorted(tiles)])
    if ordered.dtype != np.uint8:
        ordered = _drawn(ordered, expected)
    return _encoded(_grid(np.broadcast_to(ordered, (*ordered.shape[:3], 3))))


def picture_shape(spec: InputProfile) -> tuple[int, int, int] | None:
    """Height, width and channels of an input that looks like an image."""
    shape = spec.shape[1:]
    if len(shape) == 2 and min(shape) > 1:
        return shape[0], shape[1], 1
    if len(shape) == 3 and shape[2] in (1, 3) and min(shape[:2]) > 1:
        return shape[0], shape[1], shape[2]
    return None


def _shrunk(pixels: Array) -> Array:
    """Means of squares of pixels (height, width, channels), so that no side is longer than 96."""
    factor = -(-max(pixels.shape[:2]) // _SIDE)
    height, width = (max(1, side // factor) for side in pixels.shape[:2])
    factors = min(factor, pixels.shape[0]), min(factor, pixels.shape[1])
    part = pixels[: height * factors[0], : width * factors[1]].astype(np.float32)
    means = part.reshape(height, factors[0], width, factors[1], -1).mean(axis=(1, 3))
    shrunk: Array = np.rint(means).astype(np.uint8) if pixels.dtype == np.uint8 else means
    return shrunk


def _drawn(values: Array, expected: tuple[float, ...]) -> Array:
    low, high = float(values.min()), float(values.max())
    start, end = expected or likely_range(low, high) or (low, high)
    pixels = 255 * (values.astype(np.float64) - start) / (end - start or 1.0)
    drawn: Array = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return drawn


def _grid(tiles: Array) -> Image:
    """Tiles of shape (count, height, width, 3) in rows; what lies between them is transparent."""
    from PIL import Image

    factor = max(1, _SIDE // max(tiles.shape[1:3]))
    tiles = tiles.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = tiles.shape
    columns = min(count, _COLUMNS)
    rows = -(-count // columns)
    size = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 4)
    pixels = np.zeros(size, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (height + _GAP) * (number // columns), (width + _GAP) * (number % columns)
        pixels[top : top + height, left : left + width, :3] = tile
        pixels[top : top + height, left : left + width, 3] = 255
    return Image.fromarray(pixels)


def _encoded(image: Image) -> str:
    """Lossless where that is small: few gray steps, drawings. Else as good as fits."""
    content, kind = _saved(image, "PNG"), "png"
    for quality in _QUALITIES:
        if len(content) <= MAX_BYTES:
            break
        content, kind = _saved(image, "WEBP", quality=quality), "webp"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _saved(image: Image, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()
