"""`coral-quantize demo`, as `make demo` starts it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from harness import PROJECT, Command, DemoRun

from coral_action.commands import demo as module
from coral_action.errors import UsageError


def test_it_is_the_main_job_on_the_example(command: Command, demo: DemoRun, tmp_path: Path) -> None:
    environment = {"CORAL_QUANTIZE_CACHE": str(demo.cache)}
    finished = command("demo", "--output", tmp_path / "out", **environment)
    assert finished.code == 0, finished.stderr
    assert "digits_keras" in finished.stdout
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert [m["name"] for m in report["models"]] == [m["name"] for m in demo.report["models"]]
    assert "--config examples/digits/coral.yml" in report["models"][0]["reproduce"]


def test_an_installation_without_the_example(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "EXAMPLE", tmp_path / "coral.yml")
    with pytest.raises(UsageError, match="not part of this installation"):
        module.demo.main([], standalone_mode=False)


def test_the_makefile_starts_it() -> None:
    assert "coral-quantize demo" in (PROJECT / "Makefile").read_text()
