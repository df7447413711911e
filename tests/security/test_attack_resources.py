"""A user's function that takes more than its share: of processes, memory, disk or time."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from coral_action import isolation, pipeline
from coral_action.config.loader import parse_config
from coral_action.config.paths import PathRules
from coral_action.errors import CoralQuantizeError, DataError, StageCrashError
from coral_action.isolation import (
    Limits,
    programs_confined_to,
    run_isolated,
    run_program,
    workspace,
)
from coral_action.pipeline import RunOptions
from coral_action.progress import Progress

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


def hook(folder: Path, body: str, **limits: float) -> CoralQuantizeError:
    """The error that a function with this body ends in, as the source of a preview."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    (folder / "hook.py").write_text(
        f"import os, sys, time\ndef samples():\n{lines}    yield {{}}\n"
    )
    request = {
        "section": "calibration",
        "data": {"python": "hook.py:samples"},
        "preprocess": {},
        "paths": {"base": str(folder), "root": str(folder)},
        "inputs": [{"name": "x", "shape": [1, 8], "dtype": "float32"}],
        "count": 1,
        "output": str(folder / "sheet.png"),
        "allow_custom_code": True,
    }
    with pytest.raises(CoralQuantizeError) as caught:
        run_isolated(
            "coral_action.data.preview:preview_task",
            request,
            stage="preview",
            limits=Limits(**{"seconds": 60, **limits}),
            reading=workspace(folder),
        )
    assert caught.value.exit_code == 3
    assert "\n" not in caught.value.message
    return caught.value


def processes() -> int:
    return sum(path.name.isdigit() for path in Path("/proc").iterdir())


def test_fork_bomb(tmp_path: Path) -> None:
    before = processes()
    body = "while True:\n    try:\n        os.fork()\n    except OSError:\n        time.sleep(0.01)"
    error = hook(tmp_path, body, seconds=10)
    assert isinstance(error, StageCrashError)
    assert "preview started more than 512 processes and was stopped" in error.message
    for _ in range(100):  # the dead still have to be buried
        if processes() < before + 200:
            break
        time.sleep(0.1)
    assert processes() < before + 200


def test_memory_hog(tmp_path: Path) -> None:
    """Memory that is asked for and not used yet is refused as well: no other limit does that."""
    body = "import mmap\nflags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000\n"
    body += "held = [mmap.mmap(-1, 2**28, flags=flags) for _ in range(16)]"
    error = hook(tmp_path, body, memory_bytes=2**31)
    assert isinstance(error, DataError)
    assert "Cannot allocate memory" in error.message
    error = hook(tmp_path, "held = [bytearray(2**26) for _ in range(99)]", memory_bytes=2**30)
    assert "samples failed: MemoryError" in error.message


def test_sparse_file(tmp_path: Path) -> None:
    body = "with open('huge', 'wb') as file:\n    file.truncate(10 * 10**9)"
    assert "File too large" in hook(tmp_path, body, file_bytes=2**30).message


def test_endless(tmp_path: Path) -> None:
    started = time.monotonic()
    error = hook(tmp_path, "while True: pass", seconds=3)
    assert "preview took longer than 3 seconds" in error.message
    assert time.monotonic() - started < 30


def test_nothing_outlives_the_child(tmp_path: Path) -> None:
    """A process that leaves the group and the session would not be found at the end."""
    body = """
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0)
    if os.fork() == 0:
        os.setsid()
    time.sleep(600)
time.sleep(0.3)
raise ValueError(pid)
"""
    pid = int(hook(tmp_path, body.strip()).message.split()[-1])
    time.sleep(0.3)
    stat = Path(f"/proc/{pid}/stat")
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_limits_that_are_always_there(tmp_path: Path) -> None:
    body = """
import resource
names = "CORE", "DATA", "FSIZE", "CPU"
values = [resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names]
raise ValueError(values, open("/proc/self/oom_score_adj").read().strip())
"""
    said = hook(tmp_path, body.strip(), memory_bytes=2**33, file_bytes=2**32).message
    cpu = 60 * (os.cpu_count() or 1) + 1
    expected = [(0, 0), (2**33, 2**33), (2**32, 2**32), (cpu, cpu)]
    assert f"({expected}, '1000')" in said


def test_compiler_has_the_same_limits(tmp_path: Path) -> None:
    """A crowd, a core file and what lies outside are as closed to a foreign program."""
    secret = Path.home() / ".coral-test-secret"
    words = f"ulimit -c; ulimit -H -c; echo x > {secret} && echo written; cat /proc/$PPID/environ"
    result = run_program(["/bin/sh", "-c", words], seconds=60)
    assert result.output.splitlines()[:2] == ["0", "0"]
    written = secret.exists()
    secret.unlink(missing_ok=True)
    assert not written
    assert result.output.count("ermission denied") == 2
    started = time.monotonic()
    bomb = "bomb() { bomb & bomb & wait; }; bomb"
    assert run_program(["/bin/sh", "-c", bomb], seconds=60).timed_out
    assert time.monotonic() - started < 50


@pytest.mark.parametrize("how", ["option", "runner"])
def test_compiler_sees_the_workspace_alone(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `--workspace` as on a runner; without one it reads what its user can."""
    tmp_path.chmod(0o755)
    root = tmp_path / "workspace"
    (root / ".git").mkdir(parents=True)
    for path in (tmp_path / "secret", root / ".git" / "config", root / "own"):
        path.write_text(f"[{path.name}]")
    words = f"cat {tmp_path}/secret {root}/.git/config {root}/own 2>/dev/null"
    command = ["/bin/sh", "-c", words]
    monkeypatch.setattr("tempfile.tempdir", "/dev/shm")  # programs may use the system's own
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    assert run_program(command, seconds=60).output == "[secret][config][own]"
    if how == "runner":
        monkeypatch.setenv("GITHUB_WORKSPACE", str(root))
        assert run_program(command, seconds=60).output == "[own]"
    with programs_confined_to(root):
        assert run_program(command, seconds=60).output == "[own]"


def test_pipeline_confines_the_compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(pipeline, "_make_all", lambda *_: seen.append(isolation._program_root()))
    model = "  - {name: a, source: m, calibration: {images: c}}\n"
    config = parse_config(f"version: 1\nmodels:\n{model}", "coral.yml")
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    for root in (tmp_path, None):
        options = RunOptions(output=tmp_path / "out", paths=PathRules(tmp_path, root))
        pipeline.run(config, options, Progress())
    assert seen == [tmp_path.resolve(), None]
