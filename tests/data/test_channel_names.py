"""Channels of images go by their colours, in the order in which the model is fed them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_specs import Spec
from PIL import Image

from coral_action.config.data_schema import CalibrationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import SampleStatistics, open_samples
from coral_action.report.build import data_set


def means(folder: Path, data: dict[str, Any], preprocess: dict[str, Any], *specs: Spec) -> dict:
    samples = open_samples(
        CalibrationConfig.model_validate(data),
        PreprocessConfig.model_validate(preprocess),
        PathRules(folder),
        specs,
    )
    statistics = SampleStatistics(samples.profile)
    for sample in samples:
        statistics.add(sample)
    statistics = SampleStatistics.from_json(statistics.to_json())
    return {channel.name: round(channel.mean, 3) for channel in data_set(statistics).channels}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One image of red 10, green 20, blue 40."""
    (tmp_path / "in").mkdir()
    pixels = np.broadcast_to(np.array([10, 20, 40], np.uint8), (8, 8, 3))
    Image.fromarray(pixels.copy()).save(tmp_path / "in" / "1.png")
    return tmp_path


COLOR, GRAY = Spec("image", (1, 8, 8, 3)), Spec("image", (1, 8, 8, 1))
LUMA = round(0.299 * 10 + 0.587 * 20 + 0.114 * 40)


@pytest.mark.parametrize(
    ("preprocess", "spec", "expected"),
    [
        ({}, COLOR, {"red": 10, "green": 20, "blue": 40}),
        ({"color": "bgr"}, COLOR, {"blue": 40, "green": 20, "red": 10}),
        # Caffe's order, less the mean of ImageNet in that order.
        (
            {"preset": "keras.resnet50"},
            COLOR,
            {"blue": 40 - 103.939, "green": 20 - 116.779, "red": 10 - 123.68},
        ),
        ({}, GRAY, {"gray": LUMA}),
    ],
)
def test_of_images(folder: Path, preprocess: dict, spec: Spec, expected: dict) -> None:
    found = means(folder, {"images": "in"}, preprocess, spec)
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=0.01)


def test_of_arrays_there_is_no_telling(tmp_path: Path) -> None:
    x = np.ones((2, 8, 8, 3), np.float32) * np.array([1, 2, 3], np.float32)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", np.full((2, 5), 4, np.float32))
    found = means(tmp_path, {"npy": "x.npy"}, {}, COLOR)
    assert found == {"channel 0": 1, "channel 1": 2, "channel 2": 3}
    both = means(tmp_path, {"npy": {"image": "x.npy", "y": "y.npy"}}, {}, COLOR, Spec("y", (1, 5)))
    assert both["image: channel 2"] == 3
    assert both["y: all values"] == 4
