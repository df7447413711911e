"""Where an image goes on the model's input: the part that is cut out, its new size, its place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coral_action.config.data_schema import ResizeConfig
from coral_action.data.samples import Array

DEFAULT_FRACTION = 0.875


@dataclass(frozen=True)
class Plan:
    """Cut out `box`, resize it to `inner`, put that at `offset` of the target.

    Attributes:
        box: left, top, right, bottom in the source; None for all of it.
        inner: height, width.
        offset: top, left in the target; below 0 the inner image is larger and loses its edges.
    """

    box: tuple[int, int, int, int] | None
    inner: tuple[int, int]
    offset: tuple[int, int] = (0, 0)


def plan(config: ResizeConfig, source: tuple[int, int], target: tuple[int, int]) -> Plan:
    """The plan for an image of (height, width) `source` on an input of (height, width) `target`.

    - stretch: the whole image to the whole target.
    - letterbox: scaled by min(target / source) so that all of it fits, sides rounded, centred with
      the odd pixel to the right and below.
    - crop: the centre that tf.image.central_crop(image, fraction) keeps, then stretched.
    - short_side: as torchvision's Resize(short_side) and CenterCrop(target): the longer side is
      int(short_side * long / short), the cut begins at round((side - target) / 2).
    """
    height, width = source
    if config.mode == "letterbox":
        ratio = min(target[0] / height, target[1] / width)
        inner = (max(1, round(height * ratio)), max(1, round(width * ratio)))
        return Plan(None, inner, ((target[0] - inner[0]) // 2, (target[1] - inner[1]) // 2))
    if config.mode == "crop":
        fraction = DEFAULT_FRACTION if config.fraction is None else config.fraction
        top, left = (int((side - side * fraction) / 2) for side in source)
        return Plan((left, top, width - left, height - top), target)
    if config.mode == "short_side":
        short = config.short_side or max(target)
        inner = (
            (short, int(short * width / height))
            if height <= width
            else (int(short * height / width), short)
        )
        top, left = (
            -round((side - wanted) / 2.0) for side, wanted in zip(inner, target, strict=True)
        )
        return Plan(None, inner, (top, left))
    return Plan(None, target)


def place(
    pixels: Array, offset: tuple[int, int], target: tuple[int, int], fill: Array | float
) -> Array:
    """An array of shape (rows, columns, channels) on a target of (height, width) and `fill`."""
    if offset == (0, 0) and pixels.shape[:2] == target:
        return pixels
    top, left = offset
    bottom, right = target[0] - top, target[1] - left
    # A letterbox whose one odd row or column lies behind the image begins at 0, too.
    if top <= 0 and left <= 0 and pixels.shape[0] >= bottom and pixels.shape[1] >= right:
        return pixels[-top:bottom, -left:right]
    canvas = np.empty((*target, pixels.shape[2]), pixels.dtype)
    canvas[:] = fill
    canvas[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return canvas
