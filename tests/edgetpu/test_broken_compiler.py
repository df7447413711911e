"""A compiler that can't run, or says what nobody knows: the model is not to blame."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from coral_action.commands.compile import compile_
from coral_action.commands.compiler import compiler as compiler_group
from coral_action.commands.diagnose import diagnose
from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.edgetpu import compile_model, compiler_version
from coral_action.errors import CompilerError
from coral_action.version_text import known_versions

ALIEN = "/lib/ld: cannot execute binary: Exec format error"
RECORD = 'echo "$*" >> "$(dirname "$0")/asked"\n'


def program(folder: Path, script: str) -> Path:
    """A shell script in place of the compiler; it notes what it was asked."""
    path = folder / "brk"
    path.write_text(f"#!/bin/sh\n{RECORD}{script}\n")
    path.chmod(0o755)
    return path


def asked(path: Path) -> list[str]:
    return path.with_name("asked").read_text().splitlines()


@pytest.fixture
def bright(corpus: Path, tmp_path: Path) -> Path:
    """A real quantized model, where files may be written beside it."""
    source = corpus / "corpus" / "compiled" / "bright_16x16.tflite"
    return Path(shutil.copy(source, tmp_path / source.name))


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"echo '{ALIEN}' >&2; exit 126", f"status 126 ({ALIEN})"),
        (
            f"exec '{sys.executable}' -c 'import no_such_module'",
            "status 1 (ModuleNotFoundError: No module named 'no_such_module')",
        ),
        ("exit 3", "status 3 (it said nothing)"),
    ],
)
@pytest.mark.parametrize("command", [compile_, diagnose])
def test_a_compiler_that_does_not_work_is_asked_once_and_blamed(
    command: click.Command, script: str, words: str, bright: Path, tmp_path: Path
) -> None:
    broken = program(tmp_path, script)
    result = CliRunner().invoke(command, [str(bright), "--compiler", str(broken)])
    error = result.exception
    assert isinstance(error, CompilerError)
    assert words in error.message
    assert "does not work" in error.message
    assert "\n" not in error.message
    assert "--compiler none" in error.hint
    assert error.exit_code == 4
    assert error.findings == ()
    assert asked(broken) == ["--version"]


def test_which_and_the_versions_say_that_it_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = program(tmp_path, f"echo '{ALIEN}' >&2; exit 126")
    result = CliRunner().invoke(compiler_group, ["which", "--compiler", str(broken)])
    assert isinstance(result.exception, CompilerError)
    monkeypatch.setenv("EDGETPU_COMPILER", str(broken))
    assert known_versions()["edgetpu_compiler"] == "does not work"


def test_the_user_sees_one_error_and_its_exit_code(bright: Path, tmp_path: Path) -> None:
    broken = program(tmp_path, f"echo '::error::{ALIEN}' >&2; exit 126")
    command = [sys.executable, "-m", "coral_action", "compile", bright, "--compiler", broken]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert ALIEN in done.stderr
    assert not any(line.startswith("::") for line in (done.stdout + done.stderr).splitlines())
    assert "compiler-does-not-work" in done.stderr


def test_a_version_that_is_not_said_but_no_failure_is_no_error(tmp_path: Path) -> None:
    assert compiler_version(program(tmp_path, "exit 0")) == "unknown"


def test_a_banner_counts_whatever_the_status(tmp_path: Path) -> None:
    odd = program(tmp_path, "echo Edge TPU Compiler version 16.0.384591198; exit 1")
    assert compiler_version(odd) == "16.0.384591198"


def test_words_that_nobody_knows_are_quoted_when_a_compilation_fails(
    bright: Path, tmp_path: Path
) -> None:
    script = (
        "echo Edge TPU Compiler version 16.0.384591198\n"
        '[ "$1" = --version ] && exit 0\n'
        "echo 'licence server said: no seat left'; echo more; exit 1"
    )
    with pytest.raises(CompilerError) as caught:
        compile_model(program(tmp_path, script), bright, EdgeTpuConfig())
    assert (
        "gave no reason that is known (licence server said: no seat left)" in caught.value.message
    )
    assert "more" not in caught.value.message
