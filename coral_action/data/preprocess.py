"""Images to model inputs: color, resize, then (pixel * scale - mean) / std."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from coral_action.config.data_schema import PreprocessConfig, ResizeConfig
from coral_action.config.resize_filters import PILLOW_FILTERS
from coral_action.data.geometry import place, plan
from coral_action.data.presets import PRESETS, Preset
from coral_action.data.samples import Array, InputProfile, InputSpec
from coral_action.data.tensorflow_resize import tensorflow_resize
from coral_action.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

# The class of a pixel outside of the image or of every class (Pascal VOC, Cityscapes).
IGNORED_CLASS = 255

_PILLOW_MODE = {"gray": "L", "rgb": "RGB", "bgr": "RGB"}


@dataclass(frozen=True)
class Normalization:
    """(pixel - mean) / std of pixels from 0 to 255, by channel in the order of `color`."""

    color: str  # gray, rgb or bgr
    filter: str  # that resizes: nearest, bilinear, bicubic or area
    mean: tuple[float, ...]
    std: tuple[float, ...]


class ImagePreprocessor:
    """Turns a decoded image into the array of one model input.

    Gray is ITU-R 601-2 luma, L = 0.299 R + 0.587 G + 0.114 B. Pillow's filters take in all pixels
    that an output pixel covers and work on 8 bits; `engine: tensorflow` does neither.
    """

    def __init__(self, config: PreprocessConfig, spec: InputSpec) -> None:
        height, width, channels = _image_shape(spec)
        self._resize = config.resize or ResizeConfig()
        self._size = (height, width)
        self._whole = spec.dtype.startswith(("int", "uint"))  # it takes pixels of 8 bits
        _check_size(self._resize, self._size, spec.name)
        preset = PRESETS[config.preset] if config.preset else Preset()
        self._color = color_of(config, channels)
        if (self._color == "gray") != (channels == 1):
            raise DataError(
                f"preprocess.color is {self._color}, but input {spec.name} has "
                f"{channels} channel(s)"
            )
        flipped = preset.color is not None and self._color != preset.color
        order = -1 if flipped else 1
        self._scale = np.float32(preset.scale if config.scale is None else config.scale)
        self._mean = _per_channel(config.mean, preset.mean[::order], channels, "mean")
        self._std = _per_channel(config.std, preset.std[::order], channels, "std")
        self._shown = (self._scale, self._mean, self._std)
        if config.preset is not None:
            mean = _per_channel(None, preset.mean[::order], channels, "mean")
            std = _per_channel(None, preset.std[::order], channels, "std")
            self._shown = (np.float32(preset.scale), mean, std)
        fill = 0.0 if self._resize.fill is None else self._resize.fill
        self._fill = _per_channel(fill, (0.0,), channels, "resize.fill")
        # One row of the input: numpy is slow where the last axis, the channels, is short.
        self._mean_row, self._std_row = np.tile(self._mean, width), np.tile(self._std, width)

    @property
    def normalization(self) -> Normalization:
        """How pixels become values, as (pixel - mean) / std."""
        mean, std = (
            tuple(float(value) for value in np.atleast_1d(values / self._scale))
            for values in (self._mean, self._std)
        )
        return Normalization(self._color, self._resize.filter, mean, std)

    def __call__(self, image: Image.Image) -> Array:
        """The image, of 8 bits a channel, as float32 of shape (height, width, channels)."""
        return self._scaled(self.pixels(image))

    def pixels(self, image: Image.Image) -> Array:
        """The image in the input's size and colours, not scaled: (height, width, channels)."""
        mode = _PILLOW_MODE[self._color]
        image = image if image.mode == mode else image.convert(mode)
        steps = plan(self._resize, (image.height, image.width), self._size)
        pixels = self._resized(image, steps.box, steps.inner)
        if self._color == "bgr":
            pixels = pixels[..., ::-1]
        fill = self._fill if pixels.dtype == np.float32 else np.rint(self._fill)
        return place(pixels, steps.offset, self._size, fill)

    def mask(self, mask: Array) -> Array:
        """A mask (height, width) of class numbers, brought to the input's size like its image.

        Each pixel takes the class of the nearest one; around a letterboxed image it is 255.
        """
        steps = plan(self._resize, (mask.shape[0], mask.shape[1]), self._size)
        if steps.box is not None:
            left, top, right, bottom = steps.box
            mask = mask[top:bottom, left:right]
        inner = tensorflow_resize(mask[..., np.newaxis], *steps.inner, "nearest")
        placed = place(inner, steps.offset, self._size, float(IGNORED_CLASS))
        return placed[..., 0].astype(np.int32)

    def displayed(self, values: Array) -> npt.NDArray[np.uint8]:
        """An input as RGB pixels, x * std + mean over scale, rounded and cut to 0..255.

        Where a preset is declared, its numbers are used and not those that override it: values
        that the preset does not mean then look wrong, as they do to the model.
        """
        scale, mean, std = self._shown
        pixels = (values.reshape(*self._size, -1) * std + mean) / scale
        rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        if self._color == "gray":
            return np.repeat(rounded, 3, axis=2)
        return np.ascontiguousarray(rounded[..., :: -1 if self._color == "bgr" else 1])

    def _resized(
        self, image: Image.Image, box: tuple[int, int, int, int] | None, inner: tuple[int, int]
    ) -> Array:
        image = image if box is None else image.crop(box)
        if self._resize.engine == "tensorflow":
            resized = tensorflow_resize(_pixels(image), *inner, self._resize.filter)
            return np.clip(np.rint(resized), 0, 255) if self._whole else resized
        size = (inner[1], inner[0])
        if image.size != size:
            from PIL.Image import Resampling

            image = image.resize(size, Resampling[PILLOW_FILTERS[self._resize.filter]])
        return _pixels(image)

    def _scaled(self, pixels: Array) -> Array:
        values = pixels.astype(np.float32).reshape(self._size[0], -1)
        if self._scale != 1:
            values *= self._scale
        if self._mean.any():
            values -= self._mean_row
        if (self._std != 1).any():
            values /= self._std_row
        return values.reshape(*self._size, -1)


def color_of(config: PreprocessConfig, channels: int) -> str:
    """The order of an image's channels: gray, rgb or bgr."""
    preset = PRESETS[config.preset] if config.preset else Preset()
    return config.color or ("gray" if channels == 1 else preset.color or "rgb")


def profile_of(config: PreprocessConfig, spec: InputSpec, *, from_images: bool) -> InputProfile:
    """What coral.yml says of the values of one input; a preset speaks of images only.

    Arrays in the shape of an image count as images; a vector beside them does not.
    """
    expected, by = None, ""
    if config.expect is not None:
        expected, by = (config.expect[0], config.expect[1]), "preprocess.expect"
    elif config.preset is not None and (from_images or _takes_images(spec)):
        expected, by = PRESETS[config.preset].interval, f"the preset {config.preset}"
    declared = (config.preset, config.scale, config.mean, config.std, config.expect)
    return InputProfile(
        spec.name,
        tuple(spec.shape),
        spec.dtype,
        from_images=from_images,
        scaling_declared=any(value is not None for value in declared),
        expected=expected,
        expected_by=by,
        color=color_of(config, _image_shape(spec)[2]) if from_images else "",
    )


def _pixels(image: Image.Image) -> Array:
    pixels = np.asarray(image)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _takes_images(spec: InputSpec) -> bool:
    """Whether an input could be fed with images."""
    try:
        _image_shape(spec)
    except DataError:
        return False
    return True


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


def _check_size(config: ResizeConfig, size: tuple[int, int], name: str) -> None:
    if config.size is not None and tuple(config.size) != size:
        raise DataError(
            f"preprocess.resize is {config.size}, but input {name} takes {size[0]} x {size[1]}",
            hint=f"write `resize: [{size[0]}, {size[1]}]`, or leave the size out",
        )
    if config.short_side is not None and config.short_side < max(size):
        raise DataError(
            f"preprocess.resize.short_side is {config.short_side}, but input {name} takes "
            f"{size[0]} x {size[1]}",
            hint=f"at least {max(size)} pixels are needed to cut the input from",
        )


def _per_channel(
    value: float | list[float] | None, default: tuple[float, ...], channels: int, name: str
) -> npt.NDArray[np.float32]:
    """One number for each channel."""
    given: Any = default if value is None else value
    array = np.atleast_1d(np.asarray(given, dtype=np.float32))
    if len(array) not in (1, channels):
        whose = "preprocess.preset" if value is None else f"preprocess.{name}"
        raise DataError(f"{whose} has {len(array)} values of {name} for {channels} channel(s)")
    return np.broadcast_to(array, (channels,)).copy()
