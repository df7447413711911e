"""Work on a stranger's files happens in a child process: no token, own process group, limits.

A task is a function `coral_action.<module>:<name>` that takes a request and returns a result, both
plain JSON data; large things cross as files. The child may crash, hang or fill its memory: the
parent turns that into a one-line error that names the stage.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.children import CHILDREN, die_with_parent
from coral_action.errors import CoralQuantizeError, StageCrashError, error_classes
from coral_action.scratch import Scratch

Json = dict[str, Any]
ProgressCallback = Callable[[int, int], None]
Task = Callable[[Json, ProgressCallback], Json]

_PACKAGE_ROOT = Path(__file__).resolve().parent.parent
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT")
_FIXED_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",
    # One result everywhere: oneDNN's float kernels round differently from one CPU to the next.
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "-1",
    "KERAS_BACKEND": "tensorflow",
    "PYTHONHASHSEED": "0",
    # A child is one of several; threads of a matrix library would only get in each other's way.
    "OPENBLAS_NUM_THREADS": "1",
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    # Samples of a few 100 kB come and go: their memory is kept, not fetched from the kernel anew.
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
}
_MAX_RESULT_BYTES = 256 * 2**20
_SHOWN_OUTPUT_BYTES = 64 * 2**10
_OUT_OF_MEMORY = "memory"


@dataclass(frozen=True)
class Limits:
    """What a child process may use at most."""

    seconds: float = 1800.0
    memory_bytes: int = 16 * 2**30  # private writable memory (RLIMIT_DATA)
    file_bytes: int = 8 * 2**30


def run_isolated(
    task: str,
    request: Json,
    *,
    stage: str,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Json:
    """Run `task` in a child process and return its result.

    Args:
        task: `module:function` inside this package.
        request: plain JSON data; paths in it must be absolute.
        stage: the user's word for it, for errors: "loading", "calibration".
        limits: time, memory and file size.
        on_progress: called with (done, total) as the child gets on.

    Raises:
        CoralQuantizeError: the error that the task raised.
        StageCrashError: the child died, ran out of time or memory, or failed unforeseen.
        StoppedError: the run was stopped.
    """
    limits = limits or Limits()
    with Scratch() as folder:
        scratch = Path(folder)
        (scratch / "request.json").write_text(json.dumps(request), encoding="utf-8")
        read_end, write_end = os.pipe()
        code = (
            "import sys; sys.path.append(sys.argv[1]);"
            "from coral_action.isolation import child_main; child_main(sys.argv[2:])"
        )
        words = [task, folder, write_end, limits.memory_bytes, limits.file_bytes, os.getpid()]

        def start() -> subprocess.Popen[bytes]:
            with (scratch / "output.log").open("wb") as output:
                return subprocess.Popen(
                    # -P: never import a module from the folder that the stranger controls.
                    [sys.executable, "-P", "-c", code, str(_PACKAGE_ROOT), *map(str, words)],
                    cwd=folder,
                    env=_child_environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=(write_end,),
                    start_new_session=True,
                )

        try:
            with CHILDREN.running(start) as child:
                os.close(write_end)
                write_end = -1
                timed_out = _wait(child, read_end, limits.seconds, on_progress)
        finally:
            os.close(read_end)
            if write_end >= 0:
                os.close(write_end)
        return _result(scratch, child.returncode, timed_out, stage, limits)


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended, and what it printed (standard output and error together)."""

    returncode: int
    output: str
    timed_out: bool


def run_program(
    command: Sequence[str], *, seconds: float, keep_bytes: int = _SHOWN_OUTPUT_BYTES
) -> ProgramResult:
    """Run a foreign program as a child: same environment, process group and end as a task's.

    Of its output, the last `keep_bytes` are kept.
    """
    with Scratch() as folder:
        log = Path(folder) / "output.log"

        def start() -> subprocess.Popen[bytes]:
            with log.open("wb") as output:
                return subprocess.Popen(
                    command,
                    cwd=folder,
                    env=_child_environment(folder),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent,  # one system call: safe beside threads
                )

        timed_out = False
        with CHILDREN.running(start) as child:
            try:
                child.wait(seconds)
            except subprocess.TimeoutExpired:
                timed_out = True
        return ProgramResult(child.returncode, _tail(log, keep_bytes), timed_out)


def _tail(path: Path, keep_bytes: int = _SHOWN_OUTPUT_BYTES) -> str:
    """The end of a log as text, whatever bytes are in it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - keep_bytes))
        return file.read().decode("utf-8", "replace")


def _child_environment(folder: str) -> dict[str, str]:
    """An allow-list, so that no token or runner file is in it."""
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    return {**kept, **_FIXED_ENVIRONMENT, "HOME": folder, "TMPDIR": folder}


def _wait(
    child: subprocess.Popen[bytes],
    read_end: int,
    seconds: float,
    on_progress: ProgressCallback | None,
) -> bool:
    """Wait for the child, passing its progress on; True if it ran out of time."""
    deadline = time.monotonic() + seconds
    pending = b""
    open_pipe = True
    while child.poll() is None:
        left = deadline - time.monotonic()
        if left <= 0:
            return True
        if not open_pipe:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(left)
            continue
        readable, _, _ = select.select([read_end], [], [], min(left, 0.2))
        if readable:
            chunk = os.read(read_end, 65536)
            open_pipe = bool(chunk)
            *lines, pending = (pending + chunk).split(b"\n")
            pending = pending[-64:]
            _pass_on(lines, on_progress)
    return False


def _pass_on(lines: list[bytes], on_progress: ProgressCallback | None) -> None:
    words = lines[-1].split() if lines else []
    if on_progress and len(words) == 2 and all(word.isdigit() and len(word) < 10 for word in words):
        on_progress(int(words[0]), int(words[1]))


def _result(scratch: Path, returncode: int, timed_out: bool, stage: str, limits: Limits) -> Json:
    output = _tail(scratch / "output.log")
    if timed_out:
        raise StageCrashError(
            f"{stage} took longer than {limits.seconds:g} seconds and was stopped",
            hint="a smaller model or fewer samples need less time",
            details=output,
            topic="out-of-time",
        )
    reply = _read_reply(scratch / "result.json")
    if isinstance(reply.get("error"), dict):
        raise _error_from(reply["error"], stage, output, limits)
    if returncode == 0 and isinstance(reply.get("result"), dict):
        return dict(reply["result"])
    raise StageCrashError(*_crash(stage, returncode), details=output)


def _read_reply(path: Path) -> Json:
    """What the child answered; nothing, where it is not what a child writes."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _MAX_RESULT_BYTES:
        return {}
    with contextlib.suppress(ValueError, RecursionError):
        reply = json.loads(path.read_bytes())
        return reply if isinstance(reply, dict) else {}
    return {}


def _crash(stage: str, returncode: int) -> tuple[str]:
    if returncode >= 0:
        return (f"{stage} ended with status {returncode} and no result",)
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    why = {
        "SIGKILL": "most often for lack of memory",
        "SIGSEGV": "TensorFlow crashed: the file is damaged or holds what it can't handle",
        "SIGABRT": "TensorFlow gave up: out of memory, or a file that it can't handle",
        "SIGXFSZ": "it wrote more than it may",
    }.get(name, "it was stopped")
    return (f"{stage} died with {name} ({why})",)


def _error_from(error: Json, stage: str, output: str, limits: Limits) -> CoralQuantizeError:
    details = f"{error.get('traceback', '')}\n{output}"
    message = str(error.get("message", ""))
    if error.get("kind") == _OUT_OF_MEMORY:
        return StageCrashError(
            f"{stage} needed more than {limits.memory_bytes / 2**30:.3g} GiB of memory",
            hint="the file is damaged, or the model is too large for the Edge TPU as well",
            details=details,
            topic="out-of-memory",
        )
    cls = error_classes().get(str(error.get("kind")))
    if cls is not None:
        hint, topic = str(error.get("hint", "")), str(error.get("topic", ""))
        return cls(message, hint=hint, details=details, topic=topic)
    return StageCrashError(
        f"{stage} failed: {message}",
        hint="run again with --debug to see the whole traceback",
        details=details,
    )


# --- the child's side -----------------------------------------------------------------------------


def child_main(arguments: list[str]) -> None:
    """Entry of the child process: limits first, then the task, then result.json."""
    task, folder, progress_fd, memory_bytes, file_bytes, parent = arguments
    die_with_parent()
    if os.getppid() != int(parent):
        os._exit(1)  # it died before it could be asked for
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, int(memory_bytes))
    _limit(resource.RLIMIT_FSIZE, int(file_bytes))
    scratch = Path(folder)
    request = json.loads((scratch / "request.json").read_text(encoding="utf-8"))
    try:
        reply: Json = {"result": _task(task)(request, _progress_writer(int(progress_fd)))}
    except CoralQuantizeError as error:
        known = {"kind": error.kind, "message": error.message, "hint": error.hint}
        reply = {"error": {**known, "topic": error.topic}}
    except MemoryError:
        reply = {"error": {"kind": _OUT_OF_MEMORY}}
    except (Exception, SystemExit) as error:  # some libraries exit where they should raise
        reply = {"error": {"kind": None, "message": _first_line(error)}}
        reply["error"]["traceback"] = traceback.format_exc()
    partial = scratch / "result.json.part"
    partial.write_text(json.dumps(reply), encoding="utf-8")
    partial.replace(scratch / "result.json")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # TensorFlow's and litert's destructors take time and sometimes crash.


def _task(name: str) -> Task:
    module, _, function = name.partition(":")
    if not module.startswith("coral_action."):
        raise ValueError(f"not a task of this package: {name}")
    found: Task = getattr(importlib.import_module(module), function)
    return found


def _limit(kind: int, value: int) -> None:
    """Lower a limit; a platform that has none, or a lower one, keeps its own."""
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _progress_writer(descriptor: int) -> ProgressCallback:
    def write(done: int, total: int) -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, f"{done} {total}\n".encode())

    return write


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:500]}" if text else type(error).__name__
