"""The contact sheet of the report: made of what workers have decoded, the same for any number."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from coral_action.config.data_schema import CalibrationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import InputProfile, SheetTiles, contact_sheet, open_samples
from coral_action.data.sheet import MAX_BYTES
from coral_action.report.base import PICTURE


def sheet_of(
    folder: Path, workers: int, data: dict, preprocess: dict, shape: tuple[int, ...]
) -> str | None:
    config = CalibrationConfig.model_validate(data)
    options = PreprocessConfig.model_validate(preprocess)
    specs = [InputProfile("image", shape, "float32")]
    samples = open_samples(config, options, PathRules(folder, folder), specs)
    parts = []
    for index in range(workers):
        part = samples.shard(index, workers)
        tiles = SheetTiles(part.profile, options, len(samples))
        assert [s.name for s in tiles.watching(part)] == [s.name for s in part]
        parts.append(folder / f"tiles-{workers}-{index}.npz")
        tiles.save(parts[-1])
    return contact_sheet(parts)


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


@pytest.fixture
def photos(tmp_path: Path) -> list[np.ndarray]:
    """60 images of one colour each, 24 x 24."""
    (tmp_path / "in").mkdir()
    colours = np.random.default_rng(2).integers(0, 256, (60, 3), dtype=np.uint8)
    for index, colour in enumerate(colours):
        pixels = np.broadcast_to(colour, (24, 24, 3)).copy()
        Image.fromarray(pixels).save(tmp_path / "in" / f"{index:02}.png")
    return list(colours)


def test_every_third_of_sixty_in_order(photos: list[np.ndarray], tmp_path: Path) -> None:
    data = {"images": "in", "samples": 60, "shuffle": False}
    uri = sheet_of(tmp_path, 1, data, {"preset": "keras.mobilenet"}, (1, 24, 24, 3))
    picture = opened(uri)
    assert uri.startswith("data:image/png;")
    assert picture.size == (8 * 100 - 4, 3 * 100 - 4)  # 20 tiles of 4 x 24 pixels, in three rows
    pixels = np.asarray(picture)
    for number in range(20):
        left, top = 100 * (number % 8), 100 * (number // 8)
        tile = pixels[top : top + 96, left : left + 96]
        np.testing.assert_array_equal(tile, np.broadcast_to([*photos[3 * number], 255], tile.shape))
    assert not pixels[200:, 400:, 3].any()  # after the last one
    assert not pixels[96:100, :, 3].any()


@pytest.mark.parametrize("workers", [2, 7])
def test_the_number_of_workers_changes_nothing(
    photos: list[np.ndarray], tmp_path: Path, workers: int
) -> None:
    arguments = {"images": "in", "samples": 50}, {"color": "bgr"}, (1, 24, 24, 3)
    assert sheet_of(tmp_path, workers, *arguments) == sheet_of(tmp_path, 1, *arguments)


def test_large_noise_stays_small(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(3)
    for index in range(24):
        noise = rng.integers(0, 256, (90, 60, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "in" / f"{index}.png")
    uri = sheet_of(tmp_path, 1, {"images": "in"}, {}, (1, 90, 60, 3))
    assert uri is not None
    assert uri.startswith("data:image/webp;")
    assert len(base64.b64decode(uri.partition(",")[2])) <= MAX_BYTES
    assert opened(uri).size == (8 * 64 - 4, 3 * 94 - 4)


def test_a_large_image_is_shrunk_to_means(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    stripes = np.zeros((200, 400, 3), np.uint8)
    stripes[:, ::5] = 250
    Image.fromarray(stripes).save(tmp_path / "in" / "1.png")
    pixels = np.asarray(opened(sheet_of(tmp_path, 1, {"images": "in"}, {}, (1, 200, 400, 3))))
    assert pixels.shape == (40, 80, 4)  # 400 / 96 rounded up is 5
    assert (pixels[..., :3] == 50).all()


def test_arrays_that_look_like_images_go_from_black_to_white(tmp_path: Path) -> None:
    ramp = np.linspace(-1, 1, 2 * 40 * 30, dtype=np.float32).reshape(2, 40, 30)
    np.save(tmp_path / "x.npy", ramp)
    pixels = np.asarray(opened(sheet_of(tmp_path, 1, {"npy": "x.npy"}, {}, (1, 40, 30))))
    assert pixels.shape == (80, 2 * 64 - 4, 4)
    assert pixels[0, 0].tolist() == [0, 0, 0, 255]
    assert pixels[-1, -1].tolist() == [255, 255, 255, 255]


def test_no_picture_of_data_that_are_no_images(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 640), np.float32))
    assert sheet_of(tmp_path, 2, {"npy": "x.npy"}, {}, (1, 640)) is None


def test_the_report_takes_it(photos: list[np.ndarray], tmp_path: Path) -> None:
    import re

    uri = sheet_of(tmp_path, 1, {"images": "in"}, {}, (1, 24, 24, 3))
    assert re.match(PICTURE, uri or "")
