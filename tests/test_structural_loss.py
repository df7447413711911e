"""A loss that is no rounding: the layers are looked at without being asked."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest
from harness import Command

CONFIG = """version: 1
models:
- name: digits
  source: saved_model
  calibration: {images: data/calibration, samples: 20, method: min_max}
  preprocess: {preset: keras.mobilenet}
  ranges: {"*": [-0.01, 0.01]}
  evaluation: {images: data/test, labels: folders}
"""


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """The example, with every tensor cut off at a hundredth."""
    return Path(shutil.copytree(digits, tmp_path / "project"))


def run(command: Command, project: Path, config: str, *words: object) -> tuple[dict, str]:
    """The model's report, and the comment."""
    (project / "coral.yml").write_text(config)
    words = ("--config", project / "coral.yml", "--output", project / "out", *words)
    finished = command("run", *words, "--compiler", "none")
    assert finished.code == 0, finished.stderr
    report = json.loads((project / "out/report.json").read_text())
    return report["models"][0], (project / "out/report.md").read_text()


def test_the_layer_is_named(command: Command, project: Path, tmp_path: Path) -> None:
    cache = ("--cache", tmp_path / "cache")
    model, comment = run(command, project, CONFIG, *cache)
    assert model["accuracy"]["structural"]
    assert "layer errors" in model["seconds"]
    errors = [layer["sqnr_db"] for layer in model["layers"]]
    assert errors == sorted(errors)
    worst = model["layers"][0]["name"].rpartition("/")[2]
    assert re.search(rf"too large .*: layer .*{worst}.* loses most", html.unescape(comment))
    again, _ = run(command, project, CONFIG, *cache)
    assert again["layers"] == model["layers"]
    assert "layer errors" not in again["seconds"]  # found in the cache


def test_unless_it_is_switched_off(command: Command, project: Path) -> None:
    off = CONFIG + "  quantization: {layer_errors: false}\n"
    model, comment = run(command, project, off, "--no-cache")
    assert model["accuracy"]["structural"]
    assert not model.get("layers")
    assert "too large for rounding alone" in comment
