"""Labels of detection models: boxes by image, from COCO JSON or CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.errors import DataError

Boxes = npt.NDArray[np.float64]

_EXAMPLE = "a row is `file,class,ymin,xmin,ymax,xmax`, from 0 to 1; only `file` for an empty image"


def read_boxes(path: Path) -> dict[str, Boxes]:
    """Labelled boxes of each image by its name, as the evaluation data name it.

    CSV: a header `file,class,ymin,xmin,ymax,xmax`, then a row for each box; class numbers as the
    model gives them (from 0), coordinates from 0 to 1 of the image. An image without objects is
    listed once, with the other columns empty.

    COCO JSON: `images` (id, file_name, width, height) and `annotations` (image_id, category_id,
    bbox as x, y, width, height in pixels, iscrowd). The class is category_id - 1, as TensorFlow's
    Object Detection API writes it to a .tflite; annotations flagged `ignore` are left out.

    Returns:
        By image, an array of shape (boxes, 6): class, ymin, xmin, ymax, xmax from 0 to 1, crowd.

    Raises:
        DataError: if it can't be read, or a box makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name}: can't be read: {_reason(error)}") from error
    if path.suffix.lower() == ".json":
        try:
            rows = list(_coco(json.loads(text), path.name))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path.name}: no COCO annotations ({type(error).__name__}: {error})",
                hint="it needs `images` (id, file_name, width, height) and `annotations`",
            ) from error
    else:
        rows = list(_table(text, path.name))
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for name, box in rows:
        boxes.setdefault(name, []).extend([] if box is None else [box])
    return {name: np.asarray(found).reshape(-1, 6) for name, found in boxes.items()}


def _reason(error: Exception) -> str:
    return error.strerror or "" if isinstance(error, OSError) else "not UTF-8 text"


def _table(text: str, file: str) -> Iterator[tuple[str, tuple[float, ...] | None]]:
    for number, row in enumerate(_csv_rows(text, file), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0].lower() == "file"):
            continue
        if not any(cells[1:]):
            yield cells[0], None
            continue
        try:
            kind, *box = (float(cell) for cell in cells[1:])
        except ValueError as error:
            raise DataError(f"{file}:{number}: a box needs numbers", hint=_EXAMPLE) from error
        if len(box) != 4 or not _makes_sense(kind, *box):
            raise DataError(f"{file}:{number}: no box from 0 to 1", hint=_EXAMPLE)
        yield cells[0], (kind, *box, 0.0)


def _csv_rows(text: str, file: str) -> Iterator[list[str]]:
    reader = csv.reader(text.splitlines())
    try:
        yield from reader
    except csv.Error as error:
        raise DataError(f"{file}:{reader.line_num}: {error}", hint=_EXAMPLE) from error


def _coco(data: dict[str, Any], file: str) -> Iterator[tuple[str, tuple[float, ...] | None]]:
    images = {
        image["id"]: (str(image["file_name"]), float(image["height"]), float(image["width"]))
        for image in data["images"]
    }
    for name, _, _ in images.values():
        yield name, None
    for annotation in data["annotations"]:
        if annotation.get("ignore"):
            continue
        name, height, width = images[annotation["image_id"]]
        if height <= 0 or width <= 0:
            raise DataError(
                f"{file}: {name} has width {width:g} and height {height:g}",
                hint="boxes are in pixels, so the size of each image is needed",
            )
        x, y, w, h = (float(side) for side in annotation["bbox"])
        kind = float(annotation["category_id"] - 1)
        box = (y / height, x / width, (y + h) / height, (x + w) / width)
        if not _makes_sense(kind, *box):
            raise DataError(
                f"{file}: annotation {annotation.get('id')} of {name} has no box inside of the "
                "image, or a category_id below 1"
            )
        yield name, (kind, *box, float(bool(annotation.get("iscrowd"))))


def _makes_sense(kind: float, ymin: float, xmin: float, ymax: float, xmax: float) -> bool:
    # A hundredth beyond the edge is rounding, more is another unit.
    inside = all(math.isfinite(v) and -0.01 <= v <= 1.01 for v in (ymin, xmin, ymax, xmax))
    return inside and ymin <= ymax and xmin <= xmax and kind >= 0 and kind == int(kind)
