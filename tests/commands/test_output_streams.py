"""Where output goes is the user's choice: narrow encodings, full disks, readers that leave."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT, Command, DemoRun

REPORT = ("-m", "coral_action", "report")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_characters_that_an_encoding_does_not_have(encoding: str, demo: DemoRun) -> None:
    finished = subprocess.run(
        [sys.executable, *REPORT, demo.output / "report.json"],
        cwd=PROJECT,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert finished.returncode == 0, finished.stderr
    assert b"digits_keras" in finished.stdout
    assert finished.stderr == b""


def test_a_full_disk(demo: DemoRun) -> None:
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, *REPORT, demo.output / "report.json"],
            cwd=PROJECT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert finished.returncode == 2
    assert finished.stderr == "error: the output can't be written: No space left on device\n"


def test_a_reader_that_leaves(demo: DemoRun) -> None:
    """As `coral-quantize report ... | head -1` does."""
    started = subprocess.Popen(
        [sys.executable, *REPORT, demo.output / "report.json"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    started.stdout.close()
    assert started.stderr is not None
    assert started.stderr.read() == ""
    assert started.wait() == 141


def test_quiet_says_why_the_exit_code_is_1(
    command: Command, demo: DemoRun, digits: Path, tmp_path: Path
) -> None:
    project = Path(shutil.copytree(digits, tmp_path / "project"))
    text = (project / "coral.yml").read_text().partition("  - name: digits_keras")[0]
    (project / "coral.yml").write_text(text.replace("64 KiB", "10 KiB"))
    words = ("--config", project / "coral.yml", "--output", tmp_path / "out", "--quiet")
    finished = command("run", *words, "--compiler", "none")
    assert finished.code == 1
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert line.startswith("error: digits_saved_model: int8 size is ")
    assert line.endswith("the limit is 10.0 KiB")


@pytest.mark.parametrize("columns", [40, 60, 100])
def test_a_narrow_terminal_shows_every_column(
    columns: int, command: Command, demo: DemoRun
) -> None:
    finished = command("report", demo.output / "report.json", COLUMNS=str(columns))
    table = [line for line in finished.stdout.splitlines() if line[:1] in "┏┃┡│└├"]
    assert table
    assert {len(line) for line in table} == {len(table[0])}
    assert len(table[0]) <= columns
    assert table[1].count("┃") == 6
    accuracy = "".join(line.split("│")[5].strip() for line in table if line.startswith("│"))
    model = demo.report["models"][0]["accuracy"]["metrics"][0]
    assert f"{model['int8'] * 100:.2f}" in accuracy.replace(" ", "")
