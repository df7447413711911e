"""What children do while their model is being loaded."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from zoo_support import Zoo, zoo  # noqa: F401 - fixtures too

from coral_action.config.data_schema import CalibrationConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import EarlyImages
from coral_action.quantization import quantize_model, start_crew
from coral_action.quantization.waiting import _in_turn


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_images_are_decoded_before_the_model_is_there(zoo: Zoo, tmp_path: Path) -> None:
    """Once the workers have them the files may go, and the int8 model is the same."""
    generator = np.random.default_rng(11)
    images = tmp_path / "images"
    images.mkdir()
    for number in range(40):
        pixels = generator.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{number}.png")
    config = ModelConfig(
        name="uneven",
        source=str(zoo.path("uneven")),
        calibration=CalibrationConfig(images="images", samples=30, method="min_max"),
    )
    paths, model = PathRules(tmp_path, None), zoo.float_model("uneven")
    usual = quantize_model(config, model, paths, tmp_path / "usual.tflite")
    with start_crew(config, paths, workers=2) as crew:
        wait_for(lambda: all((crew.folder(index) / "decoded").exists() for index in range(2)))
        shutil.rmtree(images)
        early = quantize_model(config, model, paths, tmp_path / "early.tflite", crew=crew)
    assert usual.samples == early.samples == 30
    assert usual.path.read_bytes() == early.path.read_bytes()


def test_images_are_decoded_when_nobody_else_needs_the_core(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{number}.png")
    others = [tmp_path / "first", tmp_path / "second"]
    request: dict[str, Any] = {
        "calibration": CalibrationConfig(images=str(tmp_path)).model_dump(mode="json"),
        "paths": PathRules(tmp_path, None).to_json(),
        "shard": [0, 1],
        "bytes": 10**6,
        "after": [str(path) for path in others],
        "done": str(tmp_path / "done"),
    }
    steps = _in_turn(EarlyImages(), request)
    assert [next(steps) for _ in range(3)] == [False] * 3
    others[1].touch()
    assert not next(steps)
    others[0].touch()
    assert [next(steps), next(steps)] == [True, True]
    assert not (tmp_path / "done").exists()
    assert list(steps) == []
    assert (tmp_path / "done").exists()
