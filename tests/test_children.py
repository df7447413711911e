"""Child processes: ended together, never outliving this process, and their memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import PROJECT

from coral_action.children import CHILDREN, Children, owner
from coral_action.errors import StoppedError
from coral_action.isolation import run_isolated, run_program

SLEEPER = "import subprocess, sys, time; p = subprocess.Popen(['sleep', '60']); print(p.pid)"


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def start(*words: str) -> Callable[[], subprocess.Popen[bytes]]:
    return lambda: subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True)


def test_grandchildren_end_with_the_child() -> None:
    code = f"{SLEEPER}; sys.stdout.flush(); time.sleep(60)"
    with Children().running(start(sys.executable, "-c", code)) as child:
        grandchild = int(child.stdout.readline())
        assert alive(grandchild)
    assert child.returncode == -signal.SIGKILL
    assert within(5, lambda: not alive(grandchild))
    child.stdout.close()


def test_stop_ends_all_and_lets_none_start() -> None:
    children = Children()
    outcome = []

    def work() -> None:
        try:
            with children.running(start("sleep", "60")) as child:
                child.stdout.read()  # ends when the child does
        except StoppedError as error:
            outcome.append(error.message)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert within(5, lambda: len(children._running) == 3)
    children.stop("SIGTERM")
    for thread in threads:
        thread.join(5)
    assert outcome == ["stopped by SIGTERM before it was done"] * 3
    with pytest.raises(StoppedError), children.running(start("sleep", "60")):
        pass
    children.allow()
    with children.running(start("true")) as child:
        child.wait()


def test_stop_may_come_while_a_child_is_being_started() -> None:
    """As a signal does, whose handler runs in the very thread that starts the child."""
    children = Children()

    def interrupted() -> subprocess.Popen[bytes]:
        child = start("sleep", "60")()
        children.stop("SIGINT")
        return child

    with pytest.raises(StoppedError), children.running(interrupted) as child:
        child.wait(5)
    assert child.returncode == -signal.SIGKILL


@pytest.mark.parametrize("kind", ["task", "program"])
def test_children_die_with_a_killed_parent(kind: str, tmp_path: Path) -> None:
    """SIGKILL: nothing of ours runs any more, the kernel has to do it."""
    own = tmp_path / "own"
    own.mkdir()
    run = {
        "task": "run_isolated('coral_action.quantization.waiting:wait_task', {'job': 'observe', "
        f"'file': '{own}/never', 'ready': '{own}/ready'}}, stage='x', writable=[Path('{own}')])",
        "program": f"run_program(['sh', '-c', 'touch {own}/ready; exec sleep 60'], seconds=60, "
        f"writable=[Path('{own}')])",
    }[kind]
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from pathlib import Path; from coral_action.isolation import *; {run}",
        ],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "TMPDIR": str(tmp_path)},
    )
    try:
        assert within(30, (own / "ready").exists)
        children = Path(f"/proc/{parent.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        assert len(pids) == 1 and alive(pids[0])
    finally:
        parent.kill()
        parent.wait()
    assert within(5, lambda: not alive(pids[0]))


def test_stopped_task_says_so_and_not_that_it_crashed(tmp_path: Path) -> None:
    request = {"job": "observe", "file": str(tmp_path / "f"), "ready": str(tmp_path / "ready")}
    task = "coral_action.quantization.waiting:wait_task"
    timer = threading.Timer(0.5, CHILDREN.stop, ["SIGINT"])
    timer.start()
    try:
        with pytest.raises(StoppedError, match="stopped by SIGINT before it was done"):
            run_isolated(task, request, stage="calibration", writable=[tmp_path])
        with pytest.raises(StoppedError):
            run_program(["true"], seconds=5)
    finally:
        timer.join()
        CHILDREN.allow()
    assert run_program(["true"], seconds=5).returncode == 0


def test_memory_of_those_that_run_side_by_side_adds_up() -> None:
    children = Children()
    code = "x = b'1' * 100_000_000; print(flush=True); import time; time.sleep(60)"
    owner.set("model")
    try:
        with (
            children.running(start(sys.executable, "-c", code)) as one,
            children.running(start(sys.executable, "-c", code)) as other,
        ):
            for child in (one, other):
                child.stdout.readline()
            assert 200e6 < children.memory("model") < 300e6
            assert within(5, lambda: 200e6 < children.peak("model") < 300e6)
            assert children.memory("another") == children.peak("another") == 0
    finally:
        owner.set("")
    assert children.memory("model") == 0
    assert children.peak("model") > 200e6
