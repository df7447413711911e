"""What holds for every command: versions, completion, colours, JSON."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from harness import PROJECT, Command

from coral_action import __version__
from coral_action.cli import COMMANDS, cli


def test_version_names_all_that_shapes_results(command: Command) -> None:
    finished = command("--version", EDGETPU_COMPILER="none")
    assert finished.code == 0
    said = dict(line.split(" ", 1) for line in finished.stdout.splitlines())
    assert said["coral-quantize"] == __version__
    assert said["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"tensorflow", "keras", "ai-edge-litert", "numpy", "pillow"} <= said.keys()
    assert said["edgetpu_compiler"] == "not used"


def test_version_asks_the_compiler(command: Command, tmp_path: Path) -> None:
    compiler = tmp_path / "edgetpu_compiler"
    compiler.write_text('#!/bin/sh\necho "Edge TPU Compiler version 16.0.384591198"\n')
    compiler.chmod(0o755)
    finished = command("--version", EDGETPU_COMPILER=str(compiler))
    assert "edgetpu_compiler 16.0.384591198" in finished.stdout
    finished = command("--version", EDGETPU_COMPILER=str(tmp_path / "missing"))
    assert finished.code == 0
    assert "edgetpu_compiler not found" in finished.stdout


def test_version_imports_no_tensorflow() -> None:
    code = (
        "import sys\n"
        "from coral_action.version_text import version_text\n"
        "assert 'tensorflow 2' in version_text()\n"
        "sys.exit('tensorflow' in sys.modules or 'numpy' in sys.modules and 0)"
    )
    finished = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script_is_one_that_the_shell_reads(shell: str, tmp_path: Path) -> None:
    finished = CliRunner().invoke(cli, ["completion", shell])
    assert finished.exit_code == 0, finished.output
    assert "_CORAL_QUANTIZE_COMPLETE" in finished.output
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(finished.output)
        checked = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True)
        assert checked.returncode == 0, checked.stderr


def completed(command: Command, words: str, count: int) -> list[str]:
    """What bash is told to offer after these words, as its script asks for it."""
    finished = command(
        _CORAL_QUANTIZE_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=str(count)
    )
    return [line.partition(",")[2] for line in finished.stdout.splitlines()]


def test_commands_and_options_are_completed(command: Command) -> None:
    assert completed(command, "coral-quantize ", 1) == sorted(COMMANDS)
    assert completed(command, "coral-quantize comp", 1) == ["compile", "compiler", "completion"]
    assert {"--json", "--quiet"} <= set(completed(command, "coral-quantize run --", 2))
    assert completed(command, "coral-quantize completion z", 2) == ["zsh"]


def test_every_command_has_an_example_in_its_help() -> None:
    context = click.Context(cli)
    for name in COMMANDS:
        found = cli.get_command(context, name)
        assert found is not None
        helps = [f"{found.help} {found.epilog}"]
        if isinstance(found, click.Group):
            helps = [sub.help or "" for sub in found.commands.values()]
        assert all("Example" in text for text in helps), name


def test_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a terminal is forced: https://no-color.org."""
    report = PROJECT / "tests" / "report" / "data" / "digits-v1.json"
    code = f"from coral_action.cli import main; main(['report', {str(report)!r}])"
    words = [sys.executable, "-c", code]
    shown = {}
    for no_color in ("", "1"):
        environment = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "NO_COLOR": no_color}
        monkeypatch.setenv("PYTHONPATH", str(PROJECT))
        for key, value in environment.items():
            monkeypatch.setenv(key, value)
        shown[no_color] = subprocess.run(words, capture_output=True, text=True).stdout
    assert "\x1b[1;32m" in shown[""]  # bold and green
    assert "\x1b[3" not in shown["1"]  # no colour
    assert "\x1b[1;3" not in shown["1"]


def test_run_prints_its_report_as_json(command: Command, digits: Path, tmp_path: Path) -> None:
    words = ["--config", digits / "coral.yml", "--output", tmp_path / "out", "--compiler", "none"]
    finished = command("run", *words, "--model", "digits_frozen_graph", "--json")
    assert finished.code == 0, finished.stderr
    assert json.loads(finished.stdout) == json.loads((tmp_path / "out/report.json").read_text())
