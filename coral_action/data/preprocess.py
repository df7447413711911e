"""Images to model inputs: color, resize, then (pixel - mean) / std."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from coral_action.config.data_schema import PreprocessConfig
from coral_action.data.samples import Array, InputSpec
from coral_action.errors import DataError

_PILLOW_MODE = {"gray": "L", "rgb": "RGB", "bgr": "RGB"}


class ImagePreprocessor:
    """Turns a decoded image into the array of one model input.

    Gray is ITU-R 601-2 luma and resizing is Pillow's bilinear filter with antialiasing, which
    stretches the image to the input's size; both work on 8-bit pixels.
    """

    def __init__(self, config: PreprocessConfig, spec: InputSpec) -> None:
        height, width, channels = _image_shape(spec)
        if config.resize is not None and tuple(config.resize) != (height, width):
            raise DataError(
                f"preprocess.resize is {config.resize}, but input {spec.name} takes "
                f"{height} x {width}",
                hint=f"write `resize: [{height}, {width}]`, or leave it out",
            )
        self._color = config.color or ("gray" if channels == 1 else "rgb")
        if (self._color == "gray") != (channels == 1):
            raise DataError(
                f"preprocess.color is {self._color}, but input {spec.name} has "
                f"{channels} channel(s)"
            )
        self._size = (width, height)
        self._mean = _per_channel(config.mean, channels, "mean")
        self._std = _per_channel(config.std, channels, "std")

    def __call__(self, image: Image.Image) -> Array:
        """The image as float32 of shape (height, width, channels)."""
        image = image.convert(_PILLOW_MODE[self._color])
        if image.size != self._size:
            image = image.resize(self._size, Image.Resampling.BILINEAR)
        pixels = np.asarray(image, dtype=np.float32)
        pixels = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
        if self._color == "bgr":
            pixels = pixels[..., ::-1]
        return (pixels - self._mean) / self._std


def _image_shape(spec: InputSpec) -> tuple[int, int, int]:
    shape = spec.shape[1:]
    if len(shape) == 2:
        return shape[0], shape[1], 1
    if len(shape) == 3 and shape[2] in (1, 3):
        return shape[0], shape[1], shape[2]
    raise DataError(
        f"input {spec.name} of shape {list(spec.shape)} takes no images",
        hint="images feed inputs of shape [1, height, width, 1 or 3]; use npy or npz",
    )


def _per_channel(value: float | list[float], channels: int, name: str) -> npt.NDArray[np.float32]:
    array = np.asarray(value, dtype=np.float32)
    if array.ndim == 1 and len(array) != channels:
        raise DataError(f"preprocess.{name} has {len(array)} values for {channels} channel(s)")
    return array
