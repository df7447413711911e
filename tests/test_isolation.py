"""Children that crash, hang, hoard or lie become one-line errors; the parent stays as it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coral_action import isolation
from coral_action.errors import EXIT_MODEL, StageCrashError
from coral_action.isolation import Limits, run_isolated, run_program

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def tasks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let children run `coral_action.crashes`: tests/crashes.py as a module of the package."""
    root = tmp_path / "root"
    (root / "coral_action").mkdir(parents=True)
    for file in (PROJECT / "coral_action").glob("*.py"):
        (root / "coral_action" / file.name).symlink_to(file)
    (root / "coral_action" / "sandbox").symlink_to(PROJECT / "coral_action" / "sandbox")
    # A child does not read the tests' folder.
    shutil.copyfile(PROJECT / "tests" / "crashes.py", root / "coral_action" / "crashes.py")
    monkeypatch.setattr(isolation, "_PACKAGE_ROOT", root)


def crash(
    name: str,
    request: dict[str, str] | None = None,
    writable: tuple[Path, ...] = (),
    **limits: float,
) -> StageCrashError:
    with pytest.raises(StageCrashError) as caught:
        run_isolated(
            f"coral_action.crashes:{name}",
            request or {},
            stage="loading",
            limits=Limits(**limits),
            writable=writable,
        )
    assert caught.value.exit_code == EXIT_MODEL
    assert caught.value.message.startswith("loading ")
    assert "\n" not in caught.value.message
    return caught.value


def test_child_has_no_token_and_its_own_session(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("GITHUB_TOKEN", "INPUT_TOKEN", "ACTIONS_RUNTIME_TOKEN", "GITHUB_ENV", "PYTHONPATH")
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    progress: list[tuple[int, int]] = []
    result = run_isolated(
        "coral_action.crashes:answer",
        {"a": [1]},
        stage="loading",
        on_progress=lambda *args: progress.append(args),
    )
    assert "secret" not in result["environment"].values()
    allowed = {*isolation._KEPT_ENVIRONMENT, *isolation._FIXED_ENVIRONMENT, "HOME", "TMPDIR"}
    # Python adds LC_CTYPE to its own environment where no locale is set (PEP 538).
    assert set(result["environment"]) <= allowed | {"LC_CTYPE"}
    assert result["session"]
    assert result["folder"] not in result["path"]
    assert "" not in result["path"]
    assert not Path(result["folder"]).exists()
    assert result["request"] == {"a": [1]}
    assert progress == [(1, 2)]


def test_segmentation_fault() -> None:
    assert "died with SIGSEGV (TensorFlow crashed" in crash("segfault").message


def test_abort() -> None:
    assert "died with SIGABRT" in crash("abort").message


def test_killed_for_memory() -> None:
    assert "died with SIGKILL (most often for lack of memory)" in crash("killed").message


def test_time_limit_ends_grandchildren_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    started = time.monotonic()
    error = crash("hang", {"pid_file": str(pid_file)}, (tmp_path,), seconds=3)
    assert time.monotonic() - started < 10
    assert "took longer than 3 seconds" in error.message
    assert error.hint
    stat = Path(f"/proc/{pid_file.read_text()}/stat")
    deadline = time.monotonic() + 5  # it is killed; on a busy machine it is gone a moment later
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_memory_limit() -> None:
    assert "needed more than 1 GiB of memory" in crash("hoard", memory_bytes=2**30).message


def test_file_limit() -> None:
    assert "File too large" in crash("fill", file_bytes=2**20).message


def test_a_function_that_ends_the_process() -> None:
    error = crash("end")
    assert "ended with status 0 and no result" in error.message
    assert "os._exit" in error.hint


def test_library_that_exits() -> None:
    assert "loading failed: SystemExit: the library gave up" in crash("leave").message


@pytest.mark.parametrize(
    "text", ["", "[]", "1", "{", '{"result": 1}', '{"error": 1}', "[" * 100_000, "\x00"]
)
def test_forged_answers(text: str) -> None:
    assert "no result" in crash("forge", {"text": text}).message


def test_only_tasks_of_the_package() -> None:
    with pytest.raises(StageCrashError, match="not a task of this package"):
        run_isolated("os:getcwd", {}, stage="loading")


def test_program_has_the_same_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    result = run_program(["env"], seconds=30)
    assert result.returncode == 0
    assert "secret" not in result.output


def test_program_that_hangs() -> None:
    result = run_program(["sleep", "60"], seconds=0.3)
    assert result.timed_out


def test_parent_never_imports_tensorflow(digits: Path, tmp_path: Path) -> None:
    """A whole load in a fresh interpreter leaves TensorFlow and all readers of models out of it."""
    code = f"""
import sys
from pathlib import Path
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.loading import load_model
config = ModelConfig.model_validate(
    {{"name": "d", "source": {str(digits / "model.keras")!r}, "calibration": {{"npy": "x"}}}}
)
model = load_model(config, PathRules(Path("/")), Path({str(tmp_path / "float.tflite")!r}))
assert model.path.stat().st_size > 10_000
heavy = ("tensorflow", "keras", "tf_keras", "h5py", "ai_edge_litert", "onnx", "flatbuffers")
print([name for name in heavy if name in sys.modules])
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "[]"
