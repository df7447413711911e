"""`coral-quantize init`: from a folder with a model and images to a first report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from harness import Command

from coral_action.config.loader import load_config
from coral_action.starter import choose_calibration, choose_evaluation, find_data, find_models


@pytest.fixture
def repository(digits: Path, tmp_path: Path) -> Path:
    """What a newcomer has: models, images in class folders, and things that are none of them."""
    folder = tmp_path / "repository"
    shutil.copytree(digits / "saved_model", folder / "models" / "digits")
    shutil.copytree(digits / "data", folder / "data")
    (folder / "models" / "notes.h5").write_text("no model")
    (folder / ".venv").mkdir()
    shutil.copy(digits / "model.keras", folder / ".venv" / "hidden.keras")
    return folder


def test_first_report(command: Command, repository: Path) -> None:
    finished = command("init", "--yes", cwd=repository)
    assert finished.code == 0, finished.stderr
    (model,) = load_config(repository / "coral.yml").models
    assert model.source == "models/digits"
    assert model.calibration.images == "data/calibration"
    assert model.evaluation is not None
    assert model.evaluation.images == "data/test"
    # Measured, not guessed: the example was trained on -1 to 1 (examples/digits/README.md).
    assert model.preprocess.preset == "keras.mobilenet"
    ran = command("run", "--compiler", "none", "--quiet", cwd=repository)
    assert ran.code == 0, ran.stderr
    report = json.loads((repository / "coral-output" / "report.json").read_text())
    assert report["models"][0]["accuracy"]["metrics"][0]["float"] >= 0.97


def test_workflow_asks_for_what_the_comment_needs(command: Command, repository: Path) -> None:
    assert command("init", "--yes", cwd=repository).code == 0
    workflow = yaml.safe_load((repository / ".github" / "workflows" / "coral.yml").read_text())
    assert workflow["permissions"] == {"contents": "read", "pull-requests": "write"}


def test_files_that_are_there_stay(command: Command, repository: Path) -> None:
    (repository / "coral.yml").write_text("mine")
    finished = command("init", "--yes", cwd=repository)
    assert finished.code == 2
    assert "coral.yml is there already" in finished.stderr
    assert (repository / "coral.yml").read_text() == "mine"
    assert command("init", "--yes", "--force", cwd=repository).code == 0
    assert (repository / "coral.yml").read_text() != "mine"


def test_nothing_to_find(command: Command, tmp_path: Path) -> None:
    finished = command("init", "--yes", cwd=tmp_path)
    assert finished.code == 2
    assert "no model found" in finished.stderr


def test_models_are_told_by_content_and_named_apart(digits: Path, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(digits / "model.keras", tmp_path / folder / "net.keras")
    (tmp_path / "a" / "text.pb").write_text("no model")
    found = find_models(tmp_path)
    assert [(m.path, m.format, m.name) for m in found] == [
        ("a/net.keras", "keras", "net"),
        ("b/net.keras", "keras", "net_2"),
    ]


def test_roles_of_data_go_by_their_names(tmp_path: Path) -> None:
    np.savez(tmp_path / "test_set.npz", x=np.zeros((2, 3)), y=np.zeros(2))
    np.savez(tmp_path / "train_set.npz", x=np.zeros((2, 3)), y=np.zeros(2))
    found = find_data(tmp_path)
    calibration = choose_calibration(found)
    assert calibration is not None
    assert calibration.path == "train_set.npz"
    evaluation = choose_evaluation(found, calibration)
    assert evaluation is not None
    assert evaluation.path == "test_set.npz"
    assert choose_evaluation([calibration], calibration) is None
