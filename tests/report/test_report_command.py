"""`coral-quantize report`: every format again from report.json, the same bytes each time."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import report_samples as samples
from click.testing import CliRunner

from coral_action.commands.report import report as command
from coral_action.errors import UsageError
from coral_action.report.baseline import with_baseline
from coral_action.report.files import write_report
from coral_action.report.formats import FORMATS, render_json, renderer

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.json"
    path.write_text(render_json(samples.mixed()), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "terminal"])
def test_every_format_on_standard_output_and_into_a_file(
    file: Path, name: str, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    shown = CliRunner().invoke(command, [str(file), "--format", name], catch_exceptions=False)
    written = CliRunner().invoke(
        command, [str(file), "--format", name, "--output", str(target)], catch_exceptions=False
    )
    assert shown.exit_code == written.exit_code == 0
    assert shown.stdout_bytes == target.read_bytes()
    assert written.output == ""
    assert target.read_text("utf-8") == renderer(name)(samples.mixed())


def test_terminal(file: Path) -> None:
    shown = CliRunner().invoke(command, [str(file)], catch_exceptions=False).output
    assert "1 of 3 models failed, 1 exceeded a limit" in shown
    assert "40 of 48" in shown
    assert "RESIZE_BILINEAR (40) on the CPU" in shown


def test_baseline(tmp_path: Path) -> None:
    now, before = tmp_path / "now.json", tmp_path / "before.json"
    now.write_text(render_json(samples.report_of(samples.exceeded())), encoding="utf-8")
    before.write_text(render_json(samples.earlier()), encoding="utf-8")
    words = [str(now), "--baseline", str(before), "--format", "json"]
    shown = json.loads(CliRunner().invoke(command, words, catch_exceptions=False).output)
    assert shown["baseline"]["removed"] == ["mobilenet_v2_224", "retired_model"]
    (model,) = shown["baseline"]["models"]
    assert [item["index"] for item in model["newly_on_cpu"]] == list(range(40, 48))


def test_a_baseline_that_is_none_is_an_error(file: Path, tmp_path: Path) -> None:
    words = [str(file), "--baseline", str(tmp_path / "missing.json")]
    result = CliRunner().invoke(command, words)
    assert isinstance(result.exception, UsageError)


def test_an_output_that_cannot_be_written_is_an_error(file: Path, tmp_path: Path) -> None:
    words = [str(file), "--format", "csv", "--output", str(tmp_path / "no" / "folder.csv")]
    assert isinstance(CliRunner().invoke(command, words).exception, UsageError)


def test_same_report_same_bytes_whatever_the_hash_seed(file: Path) -> None:
    script = (
        "import sys, hashlib\n"
        "from pathlib import Path\n"
        "from coral_action.report.formats import FORMATS, renderer\n"
        "from coral_action.report.model import Report\n"
        "report = Report.read(Path(sys.argv[1]))\n"
        "for name in FORMATS:\n"
        "    print(name, hashlib.sha256(renderer(name)(report).encode()).hexdigest())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, str(file)],
            cwd=PROJECT,
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    (output,) = outputs
    here = hashlib.sha256(renderer("html")(samples.mixed()).encode()).hexdigest()
    assert f"html {here}" in output


def test_files_beside_the_models(tmp_path: Path) -> None:
    write_report(samples.mixed(), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "report.html",
        "report.json",
        "report.md",
    ]


OPTIONAL = sorted(set(samples.good()) - {"name", "status", "source"})


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_copes_with_missing_sections(name: str) -> None:
    models = [
        {key: value for key, value in samples.good().items() if key != absent}
        for absent in OPTIONAL
    ]
    bare = {key: samples.good()[key] for key in ("name", "status", "source")}
    empty = samples.good() | {
        "accuracy": {"samples": 0, "kernels": "", "metrics": []},
        "placement": samples.placement([]),
        "sizes": {"float_bytes": 0, "int8_bytes": 0},
        "edge_tpu": {},
        "calibration": {"count": 0},
        "layers": [{"name": "x"}],
    }
    report = samples.report_of(*models, bare, empty, samples.failed())
    assert renderer(name)(report)
    compared = with_baseline(report, samples.report_of(*reversed(models), empty))
    assert renderer(name)(compared)
