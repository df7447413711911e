"""Small pictures of what the model was fed."""

from __future__ import annotations

import base64
import io

import numpy as np

from coral_action.inference import Array

SIDE = 96


def thumbnail(inputs: dict[str, Array]) -> str | None:
    """The first image among a sample's inputs as a PNG data URI; None if there is none.

    It is what the model sees: resized and cut as it is, but with the smallest value drawn black
    and the largest white, since the scale of the inputs is not known here.

    Args:
        inputs: arrays of shape (1, height, width) or (1, height, width, 1 or 3).
    """
    for value in inputs.values():
        if value.ndim in (3, 4) and min(value.shape[1:3]) >= 4 and value.shape[3:] in _CHANNELS:
            return _png(np.asarray(value[0], dtype=np.float64))
    return None


_CHANNELS: tuple[tuple[int, ...], ...] = ((), (1,), (3,))


def _png(value: Array) -> str:
    from PIL import Image

    low, high = value.min(), value.max()
    pixels = np.rint((value - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[2:] == (1,) else pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
