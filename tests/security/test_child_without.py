"""Machines that lack a part of the sandbox: children work all the same, and the log says so."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path

import pytest

from coral_action import isolation
from coral_action.isolation import run_isolated, run_program
from coral_action.sandbox import Strength, strength

PROJECT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

# What is missing: (file, text, what stands there instead), as an old kernel or a strict container
# would have it. A call of that number does not exist.
LANDLOCK = ("kernel.py", "LANDLOCK_CREATE_RULESET = 444", "LANDLOCK_CREATE_RULESET = 9999")
SECCOMP = ("seccomp.py", "_SECCOMP_MODE_FILTER = 2", "_SECCOMP_MODE_FILTER = 99")
NAMESPACES = ("namespaces.py", "_NEW_NETWORK = 0x40000000", "_NEW_NETWORK = 0x7FFFFFFF")
CAPABILITIES = ("process.py", '_CAPSET = {"x86_64": 126, "aarch64": 91}', "_CAPSET = {}")
USERS = (
    "process.py",
    "    os.setresuid(user, user, user)",
    "    raise OSError(22, 'no such user')",
)
LACKING = {
    "files": [LANDLOCK],
    "calls": [SECCOMP],
    "network": [NAMESPACES],
    "capabilities": [CAPABILITIES],
    "user": [USERS],
    "all": [LANDLOCK, SECCOMP, NAMESPACES, CAPABILITIES, USERS],
}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Strength]:
    """What children said of themselves; nothing was said before."""
    noted: list[Strength] = []
    monkeypatch.setattr(strength, "_noted", noted)
    return noted


def lacking(folder: Path, *parts: tuple[str, str, str]) -> Path:
    """A copy of the package for a machine without these parts, with a task that answers."""
    shutil.copytree(
        PROJECT / "coral_action",
        folder / "coral_action",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for name, text, other in parts:
        file = folder / "coral_action" / "sandbox" / name
        content = file.read_text()
        assert content.count(text) == 1, (name, text)
        file.write_text(content.replace(text, other))
    (folder / "coral_action" / "answering.py").write_text(
        "from pathlib import Path\n\n\ndef run(request, progress):\n"
        "    Path(request['output']).write_text('made')\n"
        "    return {'answer': request['question']}\n"
    )
    return folder


@pytest.mark.parametrize("missing", LACKING)
def test_it_works_and_says_so(
    missing: str,
    told: list[Strength],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if missing == "user" and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(isolation, "_PACKAGE_ROOT", lacking(tmp_path / "root", *LACKING[missing]))
    for _ in range(2):
        result = run_isolated(
            "coral_action.answering:run",
            {"question": 42},
            stage="loading",
            outputs={"output": tmp_path / "made"},
        )
    assert result == {"answer": 42}
    assert (tmp_path / "made").read_text() == "made"
    if missing == "all":
        assert set(told[0].missing) >= {"files", "calls", "network", "capabilities"}
    else:
        assert missing in told[0].missing
    (record,) = caplog.records  # once, however many children
    assert record.levelno == (logging.DEBUG if missing in ("network", "user") else logging.WARNING)
    assert "sandbox: " in record.getMessage() and "not here: " in record.getMessage()
    program = run_program(["/bin/sh", "-c", "echo fine"], seconds=60)
    assert (program.returncode, program.output) == (0, "fine\n")


def test_strength_as_a_line() -> None:
    said = Strength(["files", "calls"], ["user"])
    assert Strength.from_line(said.to_line().rstrip(b"\n")) == said
    assert not said.essential
    assert Strength(["calls", "capabilities", "files"]).essential
    assert Strength.from_line(b"1 2") is None
    forged = Strength.from_line(b'sandbox [["files", "::error::"], ["<b>"]]')
    assert forged == Strength(["files"], [])


def test_a_program_that_cant_be_started(tmp_path: Path) -> None:
    """The error is that of the program, not of what starts it."""
    with pytest.raises(FileNotFoundError):
        run_program([str(tmp_path / "absent")], seconds=60)
    (tmp_path / "text").write_text("no program")
    with pytest.raises(PermissionError):
        run_program([str(tmp_path / "text")], seconds=60)
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(OSError, match="Exec format error"):
        run_program([str(tmp_path / "text")], seconds=60)
