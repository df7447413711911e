"""Image files, decoded with Pillow; each may have a class or a mask."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from coral_action.config.paths import PathRules
from coral_action.data.files import FileSet, printable, read_inside
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.samples import Array, BadFileError, Label, Reading
from coral_action.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

    from coral_action.data.early import EarlyImages

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MAX_PIXELS = 100_000_000

# Named, so that a file of another kind (EPS runs Ghostscript) can't hide behind a suffix.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF")


@dataclass(frozen=True)
class Decoded:
    """An image, and the SHA-256 of the file it comes from."""

    image: Image.Image
    digest: str


class ImageSource:
    """Images of one input; `classes` or `masks` label them."""

    def __init__(
        self,
        files: FileSet,
        input_name: str,
        preprocess: ImagePreprocessor,
        *,
        classes: Sequence[int] | None = None,
        masks: MaskFolder | None = None,
        early: EarlyImages,
    ) -> None:
        """Images by file; those that are in `early` are not decoded again."""
        self._files = files
        self._input = input_name
        self._preprocess = preprocess
        self._masks = masks
        self._early = early
        self.names = files.names
        self.classes = classes

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        decoded = self._early.take(self._files, index) or read_image(self._files, index)
        image = decoded.image
        label: Label = None if self.classes is None else self.classes[index]
        if self._masks is not None:
            label = self._preprocess.mask(self._masks.read(self._files.paths[index], image.size))
        inputs = {self._input: self._preprocess(image)}
        return Reading(inputs, label, decoded.digest)

    def digest(self, index: int) -> str:
        """SHA-256 of the file."""
        return self._files.digest(index)


def read_image(files: FileSet, index: int, max_pixels: int = MAX_PIXELS) -> Decoded:
    """One file, decoded; errors as of `decode_image`."""
    content = files.read(index)
    image = decode_image(content, files.names[index], max_pixels)
    return Decoded(image, hashlib.sha256(content).hexdigest())


class MaskFolder:
    """Masks beside images: the same relative path, with the suffix .png."""

    def __init__(self, folder: str, paths: PathRules) -> None:
        self._folder = folder
        self._paths = paths
        if not paths.resolve(folder).is_dir():
            raise DataError(f"{folder}: no such folder", hint="`masks` takes a folder of .png")

    def read(self, image: str, size: tuple[int, int]) -> Array:
        """The class of each pixel of an image of (width, height) `size`: integers (height, width).

        A palette's numbers are the classes, whatever its colours.

        Raises:
            BadFileError: if it is missing, can't be decoded, has colours or another size.
        """
        relative = PurePosixPath(image).with_suffix(".png")
        name = printable(f"{self._folder}/{relative}")
        content = read_inside(self._paths, str(PurePosixPath(self._folder, relative)), name)
        mask = _open(content, name)
        if mask.mode not in ("1", "L", "P", "I;16"):
            raise BadFileError(
                f"{name}: a mask with colours (Pillow mode {mask.mode})",
                hint="a mask's pixels are class numbers: a gray or palette .png",
            )
        if mask.size != size:
            raise BadFileError(
                f"{name}: {mask.width} x {mask.height} pixels, but its image has "
                f"{size[0]} x {size[1]}"
            )
        return np.asarray(mask).astype(np.int32)


def decode_image(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The first frame of an encoded image, 8 bits a channel, upright as its EXIF says.

    16-bit gray becomes round(v / 257). 16-bit colour is cut to its upper 8 bits, by Pillow. Alpha
    stays: dropping it shows the colours below, as Keras and TensorFlow do.

    Raises:
        BadFileError: if it can't be decoded, is too large, or holds 32-bit integers or floats.
    """
    image = _open(content, name, max_pixels)
    if image.mode.startswith("I;16"):
        from PIL import Image

        wide = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((wide + 128) // 257).astype(np.uint8))
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floats"
        raise BadFileError(
            f"{name}: pixels are {kind} (Pillow mode {image.mode})",
            hint="convert it to 8 or 16 bits, or use npy or npz",
        )
    if image.mode in ("LAB", "HSV"):
        raise BadFileError(f"{name}: pixels are {image.mode}", hint="convert it to RGB")
    return image


def _open(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decoded and upright, in the mode that Pillow gives it."""
    from PIL import Image, ImageOps

    try:
        image = Image.open(io.BytesIO(content), formats=_FORMATS)
        if image.width * image.height > max_pixels:
            raise BadFileError(f"{name}: {image.width} x {image.height} pixels are too many")
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except (BadFileError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise BadFileError(f"{name}: too many pixels") from error
    except Exception as error:  # a decoder may raise anything when a file is broken
        reason = "empty file" if not content else _reason(error)
        raise BadFileError(
            f"{name}: an image that can't be decoded ({reason})", hint="mend or remove the file"
        ) from error
    return image


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    # Pillow's own words would name the buffer and not the file.
    if not text or "BytesIO" in text[0]:
        return "no JPEG, PNG, BMP, WebP, GIF or TIFF"
    return text[0][:200]
