"""The main job with a compiler (the stand-in): found, run, read, reported, and failing."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flatbuffers.number_types import Float32Flags
from harness import Command, Finished

from edgetpu.conftest import StandIn
from tests.metadata.published_schema import metadata_of, packed_files, tensors_of

MODEL = {
    "name": "digits",
    "source": "model.keras",
    "calibration": {"images": "data/calibration", "samples": 20, "method": "min_max"},
    "preprocess": {"preset": "keras.mobilenet"},
}


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A folder with the example's Keras model and its calibration images."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(digits / "model.keras", folder)
    shutil.copytree(digits / "data" / "calibration", folder / "data" / "calibration")
    return folder


def run(
    command: Command, project: Path, models: list[dict[str, Any]], *words: object, **more: str
) -> tuple[Finished, list[dict[str, Any]]]:
    (project / "coral.yml").write_text(json.dumps({"version": 1, "models": models}))
    finished = command("run", *words, cwd=project, **more)
    report = json.loads((project / "coral-output" / "report.json").read_text())
    return finished, report["models"]


def test_compiled(command: Command, project: Path, stand_in: Callable[..., StandIn]) -> None:
    compiler = stand_in()
    models = [{**MODEL, "edge_tpu": {"min_runtime_version": 13, "timeout": 60}}]
    finished, (model,) = run(command, project, models, "--compiler", compiler.path)
    assert finished.code == 0, finished.stderr
    assert model["placement"]["origin"] == "compiler"
    assert model["placement"]["edge_tpu"] == len(model["placement"]["operators"])
    compiled = project / model["files"]["edgetpu"]
    assert compiled.name == "digits_int8_edgetpu.tflite"
    assert compiled.stat().st_size == model["sizes"]["edgetpu_bytes"]
    assert "Edge TPU Compiler version" in (project / model["files"]["edgetpu_log"]).read_text()
    assert model["edge_tpu"]["compiler_version"].startswith("16.0")
    (words,) = [words for words in compiler.runs if any("digits_int8" in word for word in words)]
    assert words[words.index("-m") + 1] == "13"


def test_found_by_the_environment(
    command: Command, project: Path, stand_in: Callable[..., StandIn]
) -> None:
    where = str(stand_in().path)
    finished, (model,) = run(command, project, [MODEL], EDGETPU_COMPILER=where)
    assert finished.code == 0, finished.stderr
    assert model["placement"]["origin"] == "compiler"


def test_operators_that_stay_on_the_cpu(
    command: Command, project: Path, stand_in: Callable[..., StandIn]
) -> None:
    compiler = stand_in(cpu=["SOFTMAX"])
    models = [{**MODEL, "limits": {"cpu_operators": 0}}]
    finished, (model,) = run(command, project, models, "--compiler", compiler.path)
    assert finished.code == 1
    left = [o for o in model["placement"]["operators"] if o["target"] == "cpu"]
    assert [o["name"] for o in left] == ["SOFTMAX"]
    assert left[0]["reason"]


def test_failure_keeps_the_int8_model_and_names_the_operator(
    command: Command, project: Path, stand_in: Callable[..., StandIn]
) -> None:
    first, (model,) = run(command, project, [MODEL], "--compiler", "none")
    assert first.code == 0, first.stderr
    culprit = model["placement"]["operators"][9]
    compiler = stand_in(fail_on=[culprit["tensor"]])
    finished, (model,) = run(command, project, [MODEL], "--compiler", compiler.path)
    assert finished.code == 4
    assert "Traceback" not in finished.stderr
    assert model["status"] == "failed"
    assert model["error"]["kind"] == "compiler"
    assert (project / model["files"]["int8"]).is_file()
    assert "edgetpu" not in model["files"]
    assert model["placement"]["origin"] == "predicted"
    found = [f["message"] for f in model["findings"] if f["id"] == "CQ157"]
    assert any(f"{culprit['name']} (operator 9)" in message for message in found)


def test_group_is_compiled_together(
    command: Command, project: Path, stand_in: Callable[..., StandIn]
) -> None:
    compiler = stand_in()
    models = [{**MODEL, "name": name, "edge_tpu": {"group": "both"}} for name in ("one", "two")]
    finished, reports = run(command, project, models, "--compiler", compiler.path)
    assert finished.code == 0, finished.stderr
    assert [model["placement"]["origin"] for model in reports] == ["compiler", "compiler"]
    together = [w for w in compiler.runs if any("one_int8" in word for word in w)]
    assert len(together) == 1
    assert any("two_int8" in word for word in together[0])


def test_compiled_files_carry_metadata_and_are_read_as_before(
    command: Command, project: Path, stand_in: Callable[..., StandIn], tmp_path: Path
) -> None:
    (project / "names.txt").write_text("".join(f"digit {i}\n" for i in range(10)))
    compiler = stand_in()
    words = ("--compiler", compiler.path)
    _, (bare,) = run(command, project, [{**MODEL, "metadata": False}], *words)
    before = {kind: (project / bare["files"][kind]).read_bytes() for kind in ("int8", "edgetpu")}
    assert all(metadata_of(content) is None for content in before.values())
    finished, (model,) = run(
        command, project, [{**MODEL, "metadata": {"labels": "names.txt"}}], *words
    )
    assert finished.code == 0, finished.stderr
    for kind, content in list(before.items()):
        path = project / model["files"][kind]
        after = path.read_bytes()
        start = after.rindex(b"TFL3") - 4
        before[kind], again = after[start : start + len(content)], content
        assert metadata_of(before[kind]) is None
        if kind == "int8":  # a compiled file has a token of its own for every run
            assert before[kind] == again
        assert packed_files(after)["labels.txt"].splitlines()[3] == "digit 3"
        assert model["sizes"][f"{kind}_bytes"] == len(after) > len(content)
        metadata = metadata_of(after)
        assert metadata is not None
        (unit,) = tensors_of(metadata)[0][0].children(4)
        assert unit.child(1).array(0, Float32Flags) == [127.5]
    labels = project / model["files"]["labels"]
    assert labels.name == "digits_labels.txt"
    assert labels.read_text().splitlines() == [f"digit {i}" for i in range(10)]
    said = []
    for content in (before["edgetpu"], (project / model["files"]["edgetpu"]).read_bytes()):
        (tmp_path / "x_edgetpu.tflite").write_bytes(content)
        said.append(command("inspect", tmp_path / "x_edgetpu.tflite", "--json"))
    first, second = (json.loads(item.stdout) for item in said)
    assert first.pop("size_bytes") < second.pop("size_bytes")
    assert first == second
