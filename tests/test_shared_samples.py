"""Calibration and evaluation on the same files: the float model runs once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness import Command

from coral_action.config.loader import load_config
from coral_action.model_run.evaluation import shares_samples


def test_float_outputs_of_calibration_serve_the_evaluation(
    command: Command, digits: Path, tmp_path: Path
) -> None:
    """The same files in both: 60 of the 400 samples are known, and no figure is another one."""
    project = Path(shutil.copytree(digits, tmp_path / "project"))
    text = (
        "version: 1\nmodels:\n- name: digits\n  source: saved_model\n"
        "  calibration: {images: data/test, samples: 60, method: min_max}\n"
        "  preprocess: {preset: keras.mobilenet}\n"
        "  evaluation: {images: data/test, labels: folders}\n"
    )
    (project / "coral.yml").write_text(text)
    config = load_config(project / "coral.yml").models[0]
    assert shares_samples(config)
    elsewhere = config.calibration.model_copy(update={"images": "data/calibration"})
    assert not shares_samples(config.model_copy(update={"calibration": elsewhere}))
    reports = []
    for images in ("data/test", "data/../data/test"):  # the second spelling is not known to be it
        (project / "coral.yml").write_text(text.replace("data/test", images, 1))
        words = ("--config", project / "coral.yml", "--output", tmp_path / "out")
        assert command("run", *words, "--compiler", "none").code == 0
        reports.append(json.loads((tmp_path / "out/report.json").read_text())["models"][0])
    known, computed = reports
    assert known["accuracy"] == computed["accuracy"]
