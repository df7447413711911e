"""The main job again with what an earlier run left: the same result, and only what is needed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import PROJECT, Command, DemoRun
from PIL import Image

NAMES = ("digits_saved_model", "digits_keras", "digits_frozen_graph")
ALL = ["loading", "quantization", "evaluation"]
ONE = ("--model", "digits_saved_model", "--compiler", "none", "--quiet")

# Runs the program, but starting a process is an error, and so is importing TensorFlow.
GUARDED = """
import subprocess, sys, threading
from coral_action.cli import main
def refuse(*words, **options): raise AssertionError(f"a process was started: {words}")
subprocess.Popen.__init__ = refuse
try:
    main(sys.argv[1:])
except SystemExit as end:
    heavy = {"tensorflow", "keras", "tf_keras"} & set(sys.modules)
    sys.exit(f"imported: {heavy}" if heavy else end.code)
"""


@pytest.fixture
def cache(demo: DemoRun, tmp_path: Path) -> Path:
    """A copy of what the demo run left."""
    return Path(shutil.copytree(demo.cache, tmp_path / "cache"))


@pytest.fixture
def project(digits: Path, tmp_path: Path) -> Path:
    """A copy of the example, to be changed."""
    return Path(shutil.copytree(digits, tmp_path / "project"))


def run(command: Command, project: Path, cache: Path, *words: object, code: int = 0) -> Any:
    """The report of a run."""
    output = project.parent / "out"
    words = ("--config", project / "coral.yml", "--output", output, "--cache", cache, *words)
    finished = command("run", *words)
    assert finished.code == code, finished.stderr
    return marked(output)


def marked(output: Path) -> Any:
    """report.json, with a list where nothing came from the cache."""
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    for model in report["models"]:
        model.setdefault("from_cache", [])
    return report


def edit(path: Path, change: Callable[[str], str]) -> None:
    before = path.read_text(encoding="utf-8")
    after = change(before)
    assert after != before
    path.write_text(after, encoding="utf-8")


def without_evaluation(text: str) -> str:
    """coral.yml without what takes most time."""
    kept = [line for line in text.splitlines() if not line.strip().startswith("evaluation:")]
    return "\n".join(kept).replace("accuracy_drop: 1.0, ", "")


def float_source(demo: DemoRun, project: Path) -> None:
    """Let the first model begin with a float .tflite, which loads without TensorFlow."""
    found = next(demo.cache.rglob("float.tflite"))
    shutil.copyfile(found, project / "float.tflite")
    edit(
        project / "coral.yml",
        lambda text: text.replace("source: saved_model", "source: float.tflite"),
    )


def without_time(report: dict[str, Any]) -> dict[str, Any]:
    """A report without what two runs may differ in."""
    report = json.loads(json.dumps(report))
    del report["created"]
    report["tool"].pop("sandbox", None)  # said only where a child process was needed
    report.pop("config_file", None)
    for model in report["models"]:
        del model["seconds"], model["quantization"]["seconds"]
        model.pop("from_cache", None)
        model.pop("reproduce", None)
        model.pop("line", None)
        model["files"] = {kind: Path(path).name for kind, path in model["files"].items()}
        for item in (*model["findings"], *model["limits"]):
            item.pop("file", None)
            item.pop("line", None)
    return report


def test_first_run_finds_nothing(demo: DemoRun) -> None:
    assert all("from_cache" not in model for model in demo.report["models"])
    assert "cache" not in (demo.output / "report.md").read_text()


def test_unchanged_run_starts_no_process_and_gives_the_same(
    demo: DemoRun, cache: Path, digits: Path, tmp_path: Path
) -> None:
    words = ("--config", digits / "coral.yml", "--output", tmp_path / "out", "--compiler", "none")
    finished = subprocess.run(
        [sys.executable, "-c", GUARDED, "run", *map(str, words), "--cache", str(cache)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert [model["from_cache"] for model in report["models"]] == [ALL, ALL, ALL]
    assert without_time(report) == without_time(demo.report)
    for name in NAMES:
        file = f"{name}_int8.tflite"
        assert (tmp_path / "out" / file).read_bytes() == (demo.output / file).read_bytes()
    markdown = (tmp_path / "out/report.md").read_text()
    page = (tmp_path / "out/report.html").read_text()
    assert markdown.count("unchanged, from cache") == 6  # in the table, and at the model
    assert page.count("unchanged, from cache") == 6
    assert "from cache" in finished.stdout
    assert not list(tmp_path.glob("coral-*"))


def test_uncached_run_gives_the_same(
    demo: DemoRun, command: Command, digits: Path, tmp_path: Path
) -> None:
    words = ("--config", digits / "coral.yml", "--output", tmp_path, "--no-cache")
    finished = command("run", *words, *ONE, CORAL_QUANTIZE_CACHE=str(tmp_path / "cache"))
    assert finished.code == 0
    assert not (tmp_path / "cache").exists()
    (model,) = without_time(json.loads((tmp_path / "report.json").read_text()))["models"]
    assert model == without_time(demo.report)["models"][0]


def test_elsewhere_and_with_new_times_of_files_it_is_the_same(
    demo: DemoRun, command: Command, project: Path, cache: Path
) -> None:
    """As a checkout on another machine leaves it."""
    shutil.rmtree(cache / "files")  # the index of this machine
    for path in project.rglob("*"):
        os.utime(path)
    report = run(command, project, cache, "--compiler", "none")
    assert [model["from_cache"] for model in report["models"]] == [ALL, ALL, ALL]
    assert without_time(report) == without_time(demo.report)


def test_changed_evaluation_does_not_quantize_again(
    command: Command, project: Path, cache: Path
) -> None:
    edit(
        project / "coral.yml",
        lambda text: text.replace("labels: folders}", "labels: folders, samples: 50}"),
    )
    (model,) = run(command, project, cache, *ONE)["models"]
    assert model["from_cache"] == ["loading", "quantization"]
    assert model["accuracy"]["samples"] == 50
    assert "from cache: loading, quantization" in (project.parent / "out/report.md").read_text()


def test_changed_limits_make_nothing_anew(
    demo: DemoRun, command: Command, project: Path, cache: Path
) -> None:
    edit(project / "coral.yml", lambda text: text.replace("64 KiB", "1 KiB"))
    (model,) = run(command, project, cache, *ONE, code=1)["models"]
    assert model["from_cache"] == ALL
    assert model["status"] == "limit_exceeded"
    assert model["accuracy"] == demo.report["models"][0]["accuracy"]


def test_findings_are_held_against_the_limits_of_today(
    command: Command, project: Path, cache: Path
) -> None:
    """CQ404 (a loss that may be chance) depends on the limit; int8 loses nothing here."""
    edit(
        project / "coral.yml", lambda text: text.replace("accuracy_drop: 1.0", "accuracy_drop: -1")
    )
    (model,) = run(command, project, cache, *ONE, code=1)["models"]
    assert model["from_cache"] == ALL
    drop = next(limit for limit in model["limits"] if limit["name"] == "accuracy_drop")
    assert not drop["passed"]


def test_changed_calibration_image_quantizes_again(
    command: Command, project: Path, cache: Path
) -> None:
    image = sorted((project / "data/calibration").rglob("*.png"))[0]
    with Image.open(image) as opened:
        changed = opened.point(lambda value: 255 - value)
    changed.save(image)
    (model,) = run(command, project, cache, *ONE)["models"]
    assert model["from_cache"][:1] == ["loading"]
    assert "quantization" not in model["from_cache"]


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project / "data/test/3/new.png").write_bytes(
            next((project / "data/test/3").glob("*.png")).read_bytes()
        ),
        lambda project: next((project / "data/test/3").glob("*.png")).unlink(),
        lambda project: next((project / "data/test/3").glob("*.png")).rename(
            project / "data/test/4/moved.png"
        ),
    ],
    ids=["added", "removed", "moved to another class"],
)
def test_changed_set_of_images_evaluates_again(
    command: Command, project: Path, cache: Path, change: Callable[[Path], None]
) -> None:
    change(project)
    (model,) = run(command, project, cache, *ONE)["models"]
    assert model["from_cache"] == ["loading", "quantization"]


def test_changed_model_is_loaded_again(command: Command, project: Path, cache: Path) -> None:
    """By a file that its values don't depend on: the float model that comes of it is the same."""
    edit(project / "coral.yml", without_evaluation)
    (project / "saved_model/assets").mkdir(exist_ok=True)
    (project / "saved_model/assets/note.txt").write_text("new")
    (model,) = run(command, project, cache, *ONE)["models"]
    assert model["from_cache"] == ["quantization"]


def test_damaged_entries_are_made_anew(
    demo: DemoRun, command: Command, digits: Path, cache: Path, tmp_path: Path
) -> None:
    for path in cache.rglob("*.tflite"):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    words = ("--config", digits / "coral.yml", "--output", tmp_path / "out", "--cache", cache)
    assert command("run", *words, *ONE).code == 0
    (model,) = marked(tmp_path / "out")["models"]
    assert model["from_cache"] == ["evaluation"]  # it is no file, and of the same models
    file = "digits_saved_model_int8.tflite"
    assert (tmp_path / "out" / file).read_bytes() == (demo.output / file).read_bytes()


def test_custom_code_is_run_each_time(
    demo: DemoRun, command: Command, project: Path, cache: Path
) -> None:
    """A function may read anything: its result is not kept. Quantization is not concerned."""
    float_source(demo, project)
    (project / "metric.py").write_text("def score(outputs, label): return 1.0\n")
    edit(
        project / "coral.yml",
        lambda text: text.replace(
            "labels: folders}",
            "labels: folders, samples: 20, metrics: [top1, {python: metric.py:score}]}",
        ),
    )
    run(command, project, cache, *ONE, "--allow-custom-code")
    (model,) = run(command, project, cache, *ONE, "--allow-custom-code")["models"]
    assert model["from_cache"] == ["loading", "quantization"]
