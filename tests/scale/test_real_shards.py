"""The example, once in one run and once as the jobs of a matrix, each a process of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from harness import Command, DemoRun, Finished

MODEL = "digits_frozen_graph"
# Times, and paths of the output folder.
ELSEWHERE = ("seconds", "files")


@pytest.fixture(scope="module")
def parts(command: Command, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard that makes its model, a job that only makes it, and a shard that takes that one's."""
    folder = tmp_path_factory.mktemp("parts")
    jobs = {
        "1": ["--shard", "1/2"],
        "made": ["--shard", "0/2"],
        "taken": ["--shard", "2/2", "--quantized", folder / "made"],
    }
    for name, words in jobs.items():
        common = ["--config", digits / "coral.yml", "--model", MODEL, "--compiler", "none"]
        done = command("run", *common, "--output", folder / name, *words)
        assert done.code == 0, done.stderr
    return folder


def model_of(report: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same, to the last bit."""
    (model,) = (model for model in report["models"] if model["name"] == MODEL)
    kept = {key: value for key, value in model.items() if key not in ELSEWHERE}
    return {**kept, "quantization": {**kept["quantization"], "seconds": 0}}


@pytest.mark.parametrize("jobs", [("1", "taken"), ("taken", "made", "1")])
def test_shards_report_what_one_run_reports(
    jobs: tuple[str, ...], parts: Path, demo: DemoRun, command: Command, tmp_path: Path
) -> None:
    done = command("merge", *(parts / job for job in jobs), "--output", tmp_path / "out")
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    merged, whole = model_of(report), model_of(demo.report)
    assert merged["accuracy"]["samples"] == 400
    assert merged == whole
    assert merged["status"] == "ok"
    int8 = f"{MODEL}_int8.tflite"
    assert (tmp_path / "out" / int8).read_bytes() == (demo.output / int8).read_bytes()


def test_a_shard_says_that_it_is_one(parts: Path) -> None:
    report = json.loads((parts / "taken" / "report.json").read_text())
    (model,) = report["models"]
    assert "accuracy" not in model
    assert (model["shard"]["index"], model["shard"]["count"], model["shard"]["samples"]) == (
        2,
        2,
        200,
    )
    assert all(limit["name"] != "accuracy_drop" for limit in model["limits"])
    assert "shard 2 of 2" in (parts / "taken" / "report.md").read_text()
    assert "shard 2 of 2" in (parts / "taken" / "report.html").read_text()


def test_a_shard_that_fails_says_which_it_is(command: Command, tmp_path: Path) -> None:
    model = "{name: a, source: nothing.keras, calibration: {npy: a.npy}, evaluation: {npz: b.npz}}"
    (tmp_path / "coral.yml").write_text(f"version: 1\nmodels:\n  - {model}\n")
    done = command("run", "--compiler", "none", "--shard", "2/3", cwd=tmp_path)
    assert done.code == 3
    (found,) = json.loads((tmp_path / "coral-output" / "report.json").read_text())["models"]
    assert found["status"] == "failed"
    assert (found["shard"]["index"], found["shard"]["count"]) == (2, 3)


def test_a_model_that_was_taken_is_not_made_again(parts: Path) -> None:
    (taken,) = json.loads((parts / "taken" / "report.json").read_text())["models"]
    (made,) = json.loads((parts / "made" / "report.json").read_text())["models"]
    assert "quantization" not in taken
    assert taken["shard"]["int8_sha256"] == made["shard"]["int8_sha256"]
    assert made["shard"]["samples"] == 0


def carried(
    command: Command, digits: Path, demo: DemoRun, folder: Path, changed: bytes
) -> Finished:
    (folder / "changed").write_bytes(changed)
    return command(
        "run",
        *("--config", digits / "coral.yml", "--output", folder / "out", "--compiler", "none"),
        *("--baseline", demo.output / "report.json", "--changed-files", folder / "changed"),
        cwd=digits,
    )


def test_unchanged_models_are_carried_over(
    command: Command, digits: Path, demo: DemoRun, tmp_path: Path
) -> None:
    done = carried(command, digits, demo, tmp_path, b"README.md\0")
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [m["carried_over"] for m in report["models"]] == [True] * 3
    assert report["models"][0]["accuracy"] == demo.report["models"][0]["accuracy"]
    assert (tmp_path / "out" / "report.md").read_text().count("carried over from the baseline") >= 3


def test_only_the_changed_model_runs(
    command: Command, digits: Path, demo: DemoRun, tmp_path: Path
) -> None:
    done = carried(command, digits, demo, tmp_path, b"README.md\0frozen.pb\0")
    assert done.code == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [m.get("carried_over") for m in report["models"]] == [True, True, None]
    assert model_of(report) == model_of(demo.report)


def test_plan_for_the_example(command: Command, digits: Path, demo: DemoRun) -> None:
    """One job has room for all three, and the measured times make it."""
    baseline = demo.output / "report.json"
    words = ("--config", digits / "coral.yml", "--baseline", baseline, "--min-seconds", 100_000)
    done = command("plan", *words)
    assert done.code == 0, done.stderr
    (job,) = json.loads(done.stdout)["include"]
    assert sorted(job["model"].split()) == sorted(m["name"] for m in demo.report["models"])
    total = sum(m["seconds"]["total"] for m in demo.report["models"])
    assert job["seconds"] == pytest.approx(total, abs=0.2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--shard", "3/2"), "shard '3/2' is none"),
        (("--changed-since", "no-such-commit"), "Git knows no such commit"),
        (("--model", "nobody"), "no model is named nobody"),
    ],
)
def test_wrong_words(
    words: tuple[str, ...], message: str, command: Command, digits: Path, tmp_path: Path
) -> None:
    common = ("--config", digits / "coral.yml", "--compiler", "none", "--output", tmp_path)
    done = command("run", *common, *words)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
