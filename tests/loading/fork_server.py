"""A process that imported TensorFlow once and forks for each task, so that a load costs 0.3 s.

For tests only. Each fork runs `child.child_main`, as a real child does: sandbox, limits,
scratch folder, result.json; the answer is read by the same code. What a fork does not have is a
fresh interpreter, so a part of the tests goes through the real `run_isolated` as well.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coral_action import isolation
from coral_action.child import child_main
from coral_action.endings import Ending
from coral_action.isolation import Json, Limits
from coral_action.sandbox import Policy, Reading
from coral_action.watching import OUT_OF_TIME

PROJECT = Path(__file__).resolve().parent.parent.parent


class ForkServer:
    """`run_isolated` in place of the real one; one task at a time."""

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.loading.fork_server"],
            cwd=PROJECT,
            env=isolation._child_environment(str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)

    def run_isolated(
        self,
        task: str,
        request: Json,
        *,
        stage: str,
        limits: Limits | None = None,
        on_progress: Any = None,
        reading: Reading | None = None,
        outputs: Mapping[str, Path] | None = None,
    ) -> Json:
        limits = limits or Limits()
        with tempfile.TemporaryDirectory(prefix="coral-", ignore_cleanup_errors=True) as folder:
            readable = tuple(map(str, (reading or Reading()).readable))
            # Code in the models of `cases` leaves a mark in a temporary folder of the tests.
            policy = Policy(readable=readable, writable=(folder, tempfile.gettempdir()))
            isolation.write_start(
                Path(folder), task, request, limits, policy, outputs or {}, self._process.pid
            )
            with self._lock:
                assert self._process.stdin is not None and self._process.stdout is not None
                self._process.stdin.write(json.dumps([folder, limits.seconds]) + "\n")
                self._process.stdin.flush()
                answer = json.loads(self._process.stdout.readline())
            log = Path(folder, "output.log")
            output = log.read_text(errors="replace") if log.exists() else ""
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                stopped = OUT_OF_TIME if answer["timed_out"] else ""
                ending = Ending(descriptor, answer["returncode"], stopped, output, stage, limits)
                return ending.collect(outputs or {})
            finally:
                os.close(descriptor)


def serve() -> None:
    """The server's side: one line of JSON a task, one line of JSON an answer."""
    import h5py  # noqa: F401 - imported for the forks
    import keras  # noqa: F401
    import tensorflow  # noqa: F401
    import tf_keras  # noqa: F401
    from ai_edge_litert.interpreter import Interpreter  # noqa: F401

    from coral_action.loading import child  # noqa: F401

    # Task output must not mix with answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        folder, seconds = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_child(folder)
        answers.write(json.dumps(_wait(pid, seconds)) + "\n")
        answers.flush()


def _be_child(folder: str) -> None:
    os.setsid()
    output = os.open(f"{folder}/output.log", os.O_WRONLY | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.chdir(folder)
    os.environ.update(HOME=folder, TMPDIR=folder)
    tempfile.tempdir = None
    progress = os.open(os.devnull, os.O_WRONLY)
    child_main([folder, str(progress)])


def _wait(pid: int, seconds: float) -> Json:
    deadline = time.monotonic() + seconds
    pause = 0.002
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return {"returncode": os.waitstatus_to_exitcode(status), "timed_out": False}
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return {"returncode": -signal.SIGKILL, "timed_out": True}
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


if __name__ == "__main__":
    serve()
