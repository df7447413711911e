"""Who may start: by memory that is free and promised, in order."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from coral_action.admission import BASE_BYTES, BYTES_PER_BYTE, Admission, estimate, free_memory
from coral_action.errors import StoppedError

MIB = 2**20


class Machine:
    """Free memory, and what each model takes of it."""

    def __init__(self, free: int | None) -> None:
        self.left = free
        self.taken: dict[str, int] = {}
        self.stopped = ""
        self.admission = Admission(
            lambda name: self.taken.get(name, 0), lambda: self.left, lambda: self.stopped
        )

    def start(self, name: str, need: int) -> threading.Thread:
        """Ask to enter, in a thread of its own."""
        thread = threading.Thread(target=self.admission.enter, args=(name, need), daemon=True)
        thread.start()
        return thread

    def enters(self, name: str, need: int) -> bool:
        thread = self.start(name, need)
        thread.join(0.5)
        return not thread.is_alive()


def test_the_first_enters_however_large() -> None:
    assert Machine(free=1).enters("large", 10**12)


def test_waits_until_another_is_done() -> None:
    machine = Machine(free=100)
    assert machine.enters("a", 60)
    waiting = machine.start("b", 60)
    waiting.join(0.5)
    assert waiting.is_alive()  # 100 are free, but 60 of them are promised
    machine.admission.leave("a")
    waiting.join(5)
    assert not waiting.is_alive()


def test_what_is_taken_already_is_not_promised_twice() -> None:
    machine = Machine(free=100)
    machine.enters("a", 60)
    machine.left, machine.taken["a"] = 50, 50
    assert not machine.enters("b", 41)  # 10 more are promised to a
    assert Machine(free=100).enters("b", 41)
    other = Machine(free=100)
    other.enters("a", 60)
    other.left, other.taken["a"] = 50, 50
    assert other.enters("c", 40)


def test_a_small_one_does_not_overtake() -> None:
    machine = Machine(free=100)
    machine.enters("a", 60)
    large = machine.start("large", 90)
    time.sleep(0.1)
    small = machine.start("small", 1)
    small.join(0.5)
    assert large.is_alive() and small.is_alive()
    machine.admission.leave("a")
    large.join(5)
    small.join(5)
    assert not large.is_alive() and not small.is_alive()


def test_entering_twice_is_entering_once() -> None:
    machine = Machine(free=0)
    assert machine.enters("a", 10) and machine.enters("a", 10)


def test_a_machine_that_says_nothing_lets_all_in() -> None:
    machine = Machine(free=None)
    assert machine.enters("a", 10**12) and machine.enters("b", 10**12)


def test_who_waits_is_sent_away_when_the_run_stops() -> None:
    machine = Machine(free=0)
    machine.enters("a", 1)
    machine.stopped = "SIGTERM"
    with pytest.raises(StoppedError, match="SIGTERM"):
        machine.admission.enter("b", 1)
    machine.admission.leave("a")
    machine.stopped = ""
    assert machine.enters("c", 1)  # b waits no more


def test_estimate_counts_all_files_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(bytes(100))
    (tmp_path / "variables" / "data").write_bytes(bytes(1000))
    assert estimate(tmp_path) == BASE_BYTES + 1100 * BYTES_PER_BYTE
    assert estimate(tmp_path / "saved_model.pb") == BASE_BYTES + 100 * BYTES_PER_BYTE
    assert estimate(tmp_path / "missing") == BASE_BYTES


def machine_files(root: Path, limit: str = "max", version: int = 2) -> Path:
    (root / "proc").mkdir()
    (root / "proc/meminfo").write_text("MemTotal: 16000 kB\nMemAvailable:    8000 kB\n")
    folder = root / "sys/fs/cgroup" / ("" if version == 2 else "memory")
    folder.mkdir(parents=True)
    most, now = (
        ("memory.max", "memory.current")
        if version == 2
        else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    )
    (folder / most).write_text(f"{limit}\n")
    (folder / now).write_text("3000000\n")
    key = "inactive_file" if version == 2 else "total_inactive_file"
    (folder / "memory.stat").write_text(f"anon 5\n{key} 1000000\n")
    return root


@pytest.mark.parametrize(
    ("limit", "version", "expected"),
    [
        ("max", 2, 8_192_000),
        ("5000000", 2, 3_000_000),  # 5 less 3 in use, of which 1 is only cached files
        ("5000000", 1, 3_000_000),
        ("99000000", 2, 8_192_000),
        ("1000000", 2, 0),
    ],
)
def test_free_is_the_least_of_machine_and_container(
    tmp_path: Path, limit: str, version: int, expected: int
) -> None:
    found = free_memory(machine_files(tmp_path, limit, version))
    assert found == (expected if expected else 0)


def test_free_is_not_known_without_proc(tmp_path: Path) -> None:
    assert free_memory(tmp_path) is None
