"""A hook that may run, and that tries to get at the token in twenty ways."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
TOKEN = "ghs_" + "Zw3" * 12
REACHED = TOKEN[::-1]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")

_TABLE = (HERE / "stranger.py").read_text().partition("WAYS = (")[2].partition(")")[0]
WAYS = tuple(word.rstrip(",") for word in _TABLE.split())
# What a kernel may lack, or keep from a process of the same user that is no root.
_MAY_FAIL = {"key_of_the_session", "io_uring"}
_ROOT_ONLY = {"memory_of_the_parent", "process_vm_readv", "ptrace", "pidfd_getfd"}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of each way, with the sandbox and without."""
    folder = tmp_path_factory.mktemp("victim")
    (folder / "workspace").mkdir()
    shutil.copy(HERE / "stranger.py", folder / "workspace")
    folder.chmod(0o755)
    finished = subprocess.run(
        [sys.executable, HERE / "victim.py", folder, TOKEN],
        env={**os.environ, "GITHUB_TOKEN": TOKEN, "INPUT_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    found: dict[str, Any] = json.loads(finished.stdout)
    return found


def outcome(found: dict[str, Any], way: str) -> str:
    """What the hook said of one way, from the error message that it ended in."""
    message = found["inside"].splitlines()[0]
    assert "stranger.py" in message and "samples failed: RuntimeError" in message
    said: dict[str, str] = json.loads(message[message.index("{") :])
    return said[way]


@pytest.mark.parametrize("way", WAYS)
def test_token_is_out_of_reach(found: dict[str, Any], way: str) -> None:
    said = outcome(found, way)
    for secret in (TOKEN, REACHED):
        assert secret.encode().hex() not in said
        assert secret not in said


@pytest.mark.parametrize("way", [way for way in WAYS if way != "own_environment"])
def test_without_the_sandbox_it_is_not(found: dict[str, Any], way: str) -> None:
    """The control: the same hook as a plain child of the same process."""
    if os.geteuid() != 0 and way in _ROOT_ONLY:
        pytest.skip("kept from processes of the same user already")
    said = found["outside"][way]
    reached = {secret.encode().hex() for secret in (TOKEN, REACHED)}
    if not any(secret in said for secret in reached) and way in _MAY_FAIL:
        pytest.skip(f"this kernel has none: {said}")
    assert any(secret in said for secret in reached), said


def test_nothing_is_left_for_later_steps(found: dict[str, Any]) -> None:
    assert found["written"] == ""
