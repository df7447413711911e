"""The contact sheet shows what the model is fed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from coral_action.commands.preview import preview
from coral_action.data.preview import Tile, contact_sheet, preview_task
from coral_action.errors import DataError, UsageError

CONFIG = """
version: 1
models:
  - name: digits
    source: {source}/model.keras
    calibration: {{images: {source}/data/calibration, labels: folders}}
    preprocess: {{preset: keras.mobilenet{more}}}
"""


def request(folder: Path, **changes: object) -> dict[str, object]:
    return {
        "section": "calibration",
        "data": {"images": "in"},
        "preprocess": {"preset": "keras.mobilenet"},
        "paths": {"base": str(folder), "root": str(folder)},
        "inputs": [{"name": "image", "shape": [1, 20, 20, 3], "dtype": "float32"}],
        "count": 9,
        "output": str(folder / "sheet.png"),
        "allow_custom_code": False,
        **changes,
    }


def test_tiles_hold_the_pixels_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    pixels = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in" / "only.png")
    result = preview_task(request(tmp_path), lambda done, total: None)
    assert result["shown"] == 1
    assert "(x * std + mean) / scale" in result["how"]
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    enlarged = pixels.repeat(8, axis=0).repeat(8, axis=1)
    tops = np.flatnonzero((sheet[:, 8:168] == enlarged[0]).all(axis=(1, 2)))
    assert len(tops) == 8  # the first row of pixels is 8 rows high
    np.testing.assert_array_equal(sheet[tops[0] : tops[0] + 160, 8:168], enlarged)


def test_arrays_that_look_like_images(tmp_path: Path) -> None:
    ramp = np.linspace(-1, 1, 40 * 30).reshape(1, 40, 30)
    np.save(tmp_path / "x.npy", ramp)
    inputs = [{"name": "image", "shape": [1, 40, 30], "dtype": "float32"}]
    changes = {"data": {"npy": "x.npy"}, "preprocess": {}, "inputs": inputs}
    result = preview_task(request(tmp_path, **changes), lambda done, total: None)
    assert "255 * (x - -1) / 2" in result["how"]
    expected = np.rint((ramp[0] + 1) / 2 * 255).repeat(4, axis=0).repeat(4, axis=1)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))[..., 0]
    tops = np.flatnonzero((sheet[:, 8:128] == expected[0]).all(axis=1))
    np.testing.assert_array_equal(sheet[tops[0] : tops[0] + 160, 8:128], expected)


def test_what_is_no_image_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 12)))
    inputs = [{"name": "x", "shape": [1, 12], "dtype": "float32"}]
    changes = {"data": {"npy": "x.npy"}, "preprocess": {}, "inputs": inputs}
    with pytest.raises(DataError, match="no input of this model looks like an image"):
        preview_task(request(tmp_path, **changes), lambda done, total: None)


def test_a_sheet_takes_any_number_of_tiles_and_any_name() -> None:
    tile = Tile(np.zeros((300, 500, 3), np.uint8), "a/very/long/name/" * 9 + "é漢.png", "x" * 99)
    for count in (1, 2, 7):
        sheet = contact_sheet([tile] * count, "title " * 99, "how")
        assert sheet.width < 1000


def test_the_command(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "coral.yml").write_text(CONFIG.format(source=digits, more=", mean: 0, std: 1"))
    words = ["--config", str(tmp_path / "coral.yml"), "--output", str(tmp_path), "--count", "12"]
    result = CliRunner().invoke(preview, words, catch_exceptions=False)
    assert result.exit_code == 0
    assert "12 samples of calibration" in result.output
    assert "warning CQ301: calibration: input image is fed values from 0 to 255" in result.output
    sheet = np.asarray(Image.open(tmp_path / "digits_preview.png"))
    # Scaled wrongly, the digits are washed out: what is not black is as white as can be.
    tile = sheet[44:184, 8:148]
    assert set(np.unique(tile)) <= {128, 255}
    assert list(tmp_path.glob("*.part")) == []


def test_an_unknown_model_is_named(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "coral.yml").write_text(CONFIG.format(source=digits, more=""))
    words = ["--config", str(tmp_path / "coral.yml"), "--model", "digit"]
    with pytest.raises(UsageError, match="--model digit: no such model"):
        CliRunner().invoke(preview, words, catch_exceptions=False)
