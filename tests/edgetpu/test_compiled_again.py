"""Compilation is kept apart from the stages before it: what is compiled again, and what is not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Command, DemoRun

from edgetpu.conftest import StandIn

MODEL = {
    "name": "digits",
    "source": "float.tflite",
    "calibration": {"images": "calibration", "samples": 20, "method": "min_max"},
    "preprocess": {"preset": "keras.mobilenet"},
}
COMPILED = ["digits_int8.tflite", "digits_int8_edgetpu.tflite", "digits_int8_edgetpu.log"]


@pytest.fixture
def project(demo: DemoRun, digits: Path, tmp_path: Path) -> Path:
    """The example as a float .tflite, which loads in no time."""
    folder = tmp_path / "project"
    shutil.copytree(digits / "data/calibration", folder / "calibration")
    shutil.copyfile(next(demo.cache.rglob("float.tflite")), folder / "float.tflite")
    return folder


@pytest.fixture
def run(command: Command, project: Path) -> Callable[..., list[dict[str, Any]]]:
    """Run with a compiler; the reports of the models."""

    def start(compiler: Path, *models: dict[str, Any]) -> list[dict[str, Any]]:
        content = {"version": 1, "models": models}
        (project / "coral.yml").write_text(json.dumps(content), encoding="utf-8")
        words = ("--compiler", compiler, "--cache", project / "cache")
        finished = command("run", *words, cwd=project)
        assert finished.code == 0, finished.stderr
        report = json.loads((project / "coral-output/report.json").read_text(encoding="utf-8"))
        return [{"from_cache": [], **model} for model in report["models"]]

    return start


def compilations(compiler: StandIn) -> int:
    return sum(any("_int8" in word for word in words) for words in compiler.runs)


def test_unchanged_model_is_not_compiled_again(
    run: Callable[..., Any], project: Path, stand_in: Callable[..., StandIn]
) -> None:
    compiler = stand_in()
    (first,) = run(compiler.path, MODEL)
    made = {name: (project / "coral-output" / name).read_bytes() for name in COMPILED}
    asked = len(compiler.runs)
    (again,) = run(compiler.path, MODEL)
    assert first["from_cache"] == []
    assert again["from_cache"] == ["loading", "quantization", "compilation"]
    assert len(compiler.runs) == asked  # not even for its version
    for key in ("placement", "edge_tpu", "sizes", "files", "findings"):
        assert again[key] == first[key]
    assert {name: (project / "coral-output" / name).read_bytes() for name in COMPILED} == made


def test_changed_option_of_the_compiler_only_compiles(
    run: Callable[..., Any], stand_in: Callable[..., StandIn]
) -> None:
    compiler = stand_in()
    run(compiler.path, MODEL)
    (model,) = run(compiler.path, {**MODEL, "edge_tpu": {"min_runtime_version": 13}})
    assert model["from_cache"] == ["loading", "quantization"]
    assert compilations(compiler) == 2


def test_another_compiler_compiles_again(
    run: Callable[..., Any], stand_in: Callable[..., StandIn]
) -> None:
    compiler = stand_in()
    run(compiler.path, MODEL)
    compiler.path.write_text(f"{compiler.path.read_text()}\n# a newer one\n")
    (model,) = run(compiler.path, MODEL)
    assert model["from_cache"] == ["loading", "quantization"]


def test_group_is_kept_as_a_whole(
    run: Callable[..., Any], stand_in: Callable[..., StandIn]
) -> None:
    """Models that are compiled together depend on each other."""
    compiler = stand_in()
    one, two = ({**MODEL, "name": name, "edge_tpu": {"group": "g"}} for name in ("one", "two"))
    run(compiler.path, one, two)
    again = run(compiler.path, one, two)
    assert [model["from_cache"][-1] for model in again] == ["compilation", "compilation"]
    changed = run(compiler.path, one, {**two, "quantization": {"io": "uint8"}})
    assert [model["from_cache"] for model in changed] == [["loading", "quantization"], ["loading"]]
    assert compilations(compiler) == 2
