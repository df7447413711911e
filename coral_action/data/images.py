"""Folders and globs of images, decoded with Pillow; the folder of an image can be its class."""

from __future__ import annotations

import glob
import itertools
import warnings
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from coral_action.config.data_schema import PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.samples import Array, InputSpec
from coral_action.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff"})
MAX_PIXELS = 100_000_000
_GLOB = frozenset("*?[")


class ImageSource:
    """Images of a folder or glob, in the order of their paths."""

    def __init__(
        self,
        path: Path,
        specs: Sequence[InputSpec],
        preprocess: PreprocessConfig,
        paths: PathRules,
        *,
        labelled: bool,
    ) -> None:
        if len(specs) != 1:
            raise DataError(
                f"images feed one input, but the model has {len(specs)}",
                hint=f"use npz with the arrays {', '.join(spec.name for spec in specs)}",
            )
        self._input = specs[0].name
        self._preprocess = ImagePreprocessor(preprocess, specs[0])
        base, self._files = find_images(path)
        for file in self._files:
            paths.resolve(str(file))  # a link may lead out of the workspace
        self.names = [file.relative_to(base).as_posix() for file in self._files]
        self.labels = _class_numbers(self.names, path) if labelled else None

    def read(self, index: int) -> dict[str, Array]:
        """One sample, as `Source.read`."""
        image = decode(self._files[index], self.names[index])
        return {self._input: self._preprocess(image)}


def find_images(path: Path) -> tuple[Path, list[Path]]:
    """The image files of a folder (with its subfolders) or glob, sorted, and their common folder.

    Raises:
        DataError: if there is none.
    """
    if path.is_dir():
        base, files = path, [p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES]
    elif _GLOB & set(str(path)):
        base = Path(*itertools.takewhile(lambda part: not _GLOB & set(part), path.parts))
        files = [Path(name) for name in glob.glob(str(path), recursive=True)]  # noqa: PTH207
        files = [p for p in files if p.suffix.lower() in SUFFIXES]
    else:
        raise DataError(
            f"{path}: no such folder", hint="`images` takes a folder, or a glob such as data/*.png"
        )
    files = sorted((p for p in files if p.is_file()), key=lambda p: p.relative_to(base).as_posix())
    if not files:
        raise DataError(
            f"{path}: no images found", hint=f"known kinds: {', '.join(sorted(SUFFIXES))}"
        )
    return base, files


def decode(path: Path, name: str) -> Image.Image:
    """An image of 8 bits a channel, upright as its EXIF orientation says.

    Raises:
        DataError: if it can't be decoded, is too large, or has 16 bits or floats a channel.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"{name}: {image.width} x {image.height} pixels are too many")
                upright = ImageOps.exif_transpose(image)
                upright.load()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise DataError(
            f"{name}: an image that can't be decoded ({str(error).splitlines()[0]})",
            hint="mend or remove the file",
        ) from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{name}: too many pixels") from error
    if upright.mode.startswith(("I", "F")):
        raise DataError(
            f"{name}: more than 8 bits a channel (Pillow mode {upright.mode})",
            hint="convert it to 8 bits, or use npy or npz",
        )
    return upright


def _class_numbers(names: Sequence[str], path: Path) -> list[int]:
    """The folder of each image as a number: class folders in sorted order, from 0."""
    folders = [name.split("/")[0] if "/" in name else "" for name in names]
    if "" in folders:
        raise DataError(
            f"{path}: {names[folders.index('')]} lies in no class folder",
            hint="`labels: folders` takes one folder for each class, such as data/test/cat/1.png",
        )
    classes = {folder: number for number, folder in enumerate(sorted(set(folders)))}
    return [classes[folder] for folder in folders]
