"""A contact sheet of what the model is fed, so that people can see it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from coral_action.config.data_schema import CalibrationConfig, EvaluationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.counts import plural
from coral_action.data import open_samples
from coral_action.data.diagnosis import diagnose, likely_range
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.samples import Array, InputProfile, Sample, Samples
from coral_action.data.sheet import picture_shape
from coral_action.data.statistics import SampleStatistics
from coral_action.errors import DataError
from coral_action.isolation import ProgressCallback

_TILE = 160  # pixels; smaller inputs are enlarged by a whole number, larger ones shrunk
_CAPTION = 26
_MARGIN = 8
_HEADER = 36
_BACKGROUND, _INK, _FAINT = (250, 250, 250), (20, 20, 20), (110, 110, 110)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Tile:
    """One picture with two lines below it."""

    pixels: Pixels
    name: str
    facts: str


def preview_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """The child process's side: decode samples, write the sheet, say what was seen.

    Args:
        request: `section` (calibration or evaluation), `data` and `preprocess` (their sections),
            `paths`, `inputs` (name, shape, dtype of each), `count`, `output` (a .png),
            `allow_custom_code`.
        progress: called for each sample.

    Returns:
        `{"shown": number of samples, "how": text, "facts": ..., "findings": [...]}`.

    Raises:
        DataError: if samples can't be read, or no input looks like an image.
    """
    kinds: dict[str, type[CalibrationConfig | EvaluationConfig]] = {
        "calibration": CalibrationConfig,
        "evaluation": EvaluationConfig,
    }
    preprocess = PreprocessConfig.model_validate(request["preprocess"])
    specs = [
        InputProfile(item["name"], tuple(item["shape"]), item["dtype"])
        for item in request["inputs"]
    ]
    samples = open_section(
        kinds[request["section"]].model_validate(request["data"]),
        preprocess,
        PathRules.from_json(request["paths"]),
        specs,
        int(request["count"]),
        allow_custom_code=bool(request["allow_custom_code"]),
    )
    statistics, seen = SampleStatistics(samples.profile), []
    for sample in samples:
        statistics.add(sample)
        seen.append(sample)
        progress(len(seen), len(samples))
    statistics.add_bad_files(samples.bad_files)
    tiles, how = _tiles(seen, statistics, preprocess)
    them = "it" if len(seen) == 1 else "them"
    title = f"{request['section']}: {plural(len(seen), 'sample')} as the model is fed {them}"
    contact_sheet(tiles, title, how).save(Path(request["output"]), "PNG")
    findings = [asdict(finding) for finding in diagnose(statistics)]
    return {"shown": len(seen), "how": how, "facts": statistics.facts(), "findings": findings}


def open_section(
    config: CalibrationConfig | EvaluationConfig,
    preprocess: PreprocessConfig,
    paths: PathRules,
    specs: Sequence[InputProfile],
    count: int,
    *,
    allow_custom_code: bool,
) -> Samples:
    """The first `count` samples that a run would use; with classes, they take turns."""
    fewer = config.model_copy(update={"samples": min(count, config.samples or count)})
    return open_samples(fewer, preprocess, paths, specs, allow_custom_code=allow_custom_code)


def contact_sheet(tiles: Sequence[Tile], title: str, how: str) -> Image.Image:
    """The tiles in rows, below a title and a line that says how values became pixels."""
    columns = max(1, math.ceil(math.sqrt(len(tiles) * 1.5)))
    rows = math.ceil(len(tiles) / columns)
    pictures = [_fitted(tile.pixels) for tile in tiles]
    cell_width = max(_TILE, *(picture.width for picture in pictures))
    cell_height = max(picture.height for picture in pictures) + _CAPTION
    width = max(columns, 3) * (cell_width + _MARGIN) + _MARGIN
    height = rows * (cell_height + _MARGIN) + _MARGIN + _HEADER
    sheet = Image.new("RGB", (width, height), _BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font, small = ImageFont.load_default(13), ImageFont.load_default(11)
    draw.text((_MARGIN, 4), _shortened(draw, title, font, width), _INK, font)
    draw.text((_MARGIN, 21), _shortened(draw, how, small, width), _FAINT, small)
    for number, (tile, picture) in enumerate(zip(tiles, pictures, strict=True)):
        left = _MARGIN + number % columns * (cell_width + _MARGIN)
        top = _HEADER + _MARGIN + number // columns * (cell_height + _MARGIN)
        sheet.paste(picture, (left, top))
        below = top + cell_height - _CAPTION
        name = _shortened(draw, tile.name, small, cell_width, keep_end=True)
        draw.text((left, below), name, _INK, small)
        facts = _shortened(draw, tile.facts, small, cell_width)
        draw.text((left, below + 12), facts, _FAINT, small)
    return sheet


def _tiles(
    seen: Sequence[Sample], statistics: SampleStatistics, preprocess: PreprocessConfig
) -> tuple[list[Tile], str]:
    shown = [
        (i, s) for i, s in enumerate(statistics.profile.inputs) if picture_shape(s) is not None
    ]
    if not shown:
        raise DataError(
            "no input of this model looks like an image",
            hint="a contact sheet shows inputs of shape [1, height, width] or "
            "[1, height, width, 1 or 3]",
        )
    tiles: list[Tile] = []
    ways: list[str] = []
    for position, spec in shown:
        if spec.from_images and (preprocess.preset or preprocess.expect is None):
            displayed = ImagePreprocessor(preprocess, spec).displayed
            whose = f" of the preset {preprocess.preset}" if preprocess.preset else ""
            way = f"pixel = (x * std + mean) / scale{whose}"
        else:
            low, high = statistics.range_of(position)
            start, end = spec.expected or likely_range(low, high) or (low, high)
            displayed = _Linear(spec, start, end)
            way = f"pixel = 255 * (x - {start:.4g}) / {end - start:.4g}"
        ways.append(f"input {spec.name} {list(spec.shape)}: {way}, cut to 0..255")
        for sample in seen:
            values = sample.inputs[spec.name]
            label = f"class {sample.label}, " if isinstance(sample.label, int) else ""
            facts = f"{label}{values.min():.4g} to {values.max():.4g}, mean {values.mean():.3g}"
            tiles.append(Tile(displayed(values), sample.name, facts))
    return tiles, "; ".join(ways)


class _Linear:
    """Values as gray or RGB pixels: `start` is black, `end` is white."""

    def __init__(self, spec: InputProfile, start: float, end: float) -> None:
        self._shape = picture_shape(spec) or ()
        self._start = start
        self._width = end - start or 1.0

    def __call__(self, values: Array) -> Pixels:
        pixels = 255 * (values.astype(np.float64).reshape(self._shape) - self._start) / self._width
        rounded = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return np.repeat(rounded, 3, axis=2) if rounded.shape[2] == 1 else rounded


def _fitted(pixels: Pixels) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    longest = max(picture.size)
    if longest <= _TILE:  # whole pixels stay visible as such
        factor = _TILE // longest
        return picture.resize(
            (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
        )
    picture.thumbnail((_TILE, _TILE), Image.Resampling.BOX)
    return picture


def _shortened(
    draw: ImageDraw.ImageDraw, text: str, font: Any, width: int, *, keep_end: bool = False
) -> str:
    if draw.textlength(text, font) <= width:
        return text
    while text and draw.textlength(text + "...", font) > width:
        text = text[1:] if keep_end else text[:-1]
    return "..." + text if keep_end else text + "..."
