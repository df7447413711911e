"""What goes wrong is said in at most three lines, with the documented exit code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from harness import Command, Finished

from coral_action.errors import worst_exit_code

MODEL = {
    "name": "digits",
    "source": "model.keras",
    "calibration": {"images": "data/calibration"},
    "preprocess": {"mean": 127.5, "std": 127.5},
}


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A folder as a user has it: a model, calibration images, and no coral.yml yet."""
    shutil.copy(digits / "model.keras", tmp_path)
    for part in ("calibration", "test"):
        shutil.copytree(digits / "data" / part, tmp_path / "data" / part)
    return tmp_path


def run(command: Command, project: Path, config: object, *words: object) -> Finished:
    text = config if isinstance(config, str) else json.dumps(config)
    (project / "coral.yml").write_text(text)
    finished = command("run", "--compiler", "none", *words, cwd=project)
    assert "Traceback" not in finished.stderr
    return finished


def errors_of(finished: Finished) -> list[str]:
    """The lines of the error: those that are no progress."""
    lines = finished.stderr.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert len(lines[first:]) <= 3
    return lines[first:]


def test_bad_config_names_line_and_key(command: Command, project: Path) -> None:
    text = "version: 1\nmodels:\n  - name: digits\n    sorce: model.keras\n"
    finished = run(command, project, text)
    assert finished.code == 2
    assert 'coral.yml:4:5: models[0].sorce: unknown key; did you mean "source"?' in finished.stderr


def test_no_config(command: Command, tmp_path: Path) -> None:
    finished = command("run", "--compiler", "none", cwd=tmp_path)
    assert finished.code == 2
    assert errors_of(finished)[0] == "error: coral.yml: can't be read: No such file or directory"


def test_missing_model(command: Command, project: Path) -> None:
    finished = run(command, project, {"version": 1, "models": [{**MODEL, "source": "gone.pb"}]})
    assert finished.code == 3
    first, hint, see = errors_of(finished)
    assert "gone.pb: no such file or folder" in first
    assert "relative to the folder of coral.yml" in hint
    # The topic of an error comes through from the child process that raised it.
    assert see.endswith("/docs/troubleshooting.md#model-not-found")


def test_missing_calibration_data(command: Command, project: Path) -> None:
    model = {**MODEL, "calibration": {"images": "data/nothing"}}
    finished = run(command, project, {"version": 1, "models": [model]})
    assert finished.code == 3
    assert "data/nothing" in errors_of(finished)[0]
    assert not list(project.glob("coral-output/*.tflite"))


def test_empty_calibration_data(command: Command, project: Path) -> None:
    (project / "empty").mkdir()
    model = {**MODEL, "calibration": {"images": "empty"}}
    finished = run(command, project, {"version": 1, "models": [model]})
    assert finished.code == 3
    assert "no images" in errors_of(finished)[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_samples_that_are_not_finite(command: Command, project: Path, value: float) -> None:
    samples = np.zeros((4, 28, 28, 1), np.float32)
    samples[2, 5, 5, 0] = value
    np.save(project / "samples.npy", samples)
    model = {key: MODEL[key] for key in ("name", "source")}
    model["calibration"] = {"npy": "samples.npy"}
    finished = run(command, project, {"version": 1, "models": [model]})
    assert finished.code == 3
    assert "samples.npy[2]" in errors_of(finished)[0]


def test_limit_exceeded(command: Command, project: Path) -> None:
    model = {**MODEL, "limits": {"int8_size": "1 KiB", "cpu_operators": 0}}
    finished = run(command, project, {"version": 1, "models": [model]})
    assert finished.code == 1
    (result,) = json.loads((project / "coral-output" / "report.json").read_text())["models"]
    assert result["status"] == "limit_exceeded"
    assert {item["name"]: item["passed"] for item in result["limits"]} == {
        "int8_size": False,
        "cpu_operators": True,
    }
    assert "int8 size" in finished.stdout


def test_one_failed_model_stops_no_other(command: Command, project: Path) -> None:
    models = [{**MODEL, "name": "broken", "source": "gone.pb"}, MODEL]
    finished = run(command, project, {"version": 1, "models": models})
    assert finished.code == 3
    results = json.loads((project / "coral-output" / "report.json").read_text())["models"]
    assert [(m["name"], m["status"]) for m in results] == [("broken", "failed"), ("digits", "ok")]
    assert results[0]["error"]["kind"] == "model"
    assert (project / "coral-output" / "digits_int8.tflite").is_file()


def test_result_of_an_earlier_run_does_not_stay(command: Command, project: Path) -> None:
    (project / "coral-output").mkdir()
    stale = project / "coral-output" / "digits_int8.tflite"
    stale.write_bytes(b"old")
    model = {**MODEL, "calibration": {"images": "data/nothing"}}
    assert run(command, project, {"version": 1, "models": [model]}).code == 3
    assert not stale.exists()


def test_unknown_model_on_the_command_line(command: Command, project: Path) -> None:
    finished = run(command, project, {"version": 1, "models": [MODEL]}, "--model", "digit")
    assert finished.code == 2
    assert "no model is named digit" in errors_of(finished)[0]


def test_missing_compiler_says_how_to_get_one(command: Command, project: Path) -> None:
    (project / "coral.yml").write_text(json.dumps({"version": 1, "models": [MODEL]}))
    finished = command("run", cwd=project, PATH="/nowhere", EDGETPU_COMPILER="")
    assert finished.code == 2
    assert "compiler was not found" in errors_of(finished)[0]
    assert "--compiler none" in errors_of(finished)[1]


def test_debug_shows_what_is_behind_an_error(command: Command, project: Path) -> None:
    (project / "broken.keras").write_bytes(b"PK\x03\x04 and nothing else")
    config = {"version": 1, "models": [{**MODEL, "source": "broken.keras"}]}
    finished = run(command, project, config)
    assert finished.code == 3
    assert len(errors_of(finished)) <= 3


@pytest.mark.parametrize(
    ("codes", "worst"),
    [([], 0), ([0, 1], 1), ([1, 5], 5), ([5, 4], 4), ([4, 3, 1], 3), ([3, 2], 2), ([0, 0], 0)],
)
def test_worst_exit_code_wins(codes: list[int], worst: int) -> None:
    assert worst_exit_code(codes) == worst
