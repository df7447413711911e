"""What the sandbox adds to the start of a child process, in milliseconds.

Usage: python bench/sandbox.py [--runs N]

Each run is a fresh interpreter that imports what a child imports, locks itself in as a child of a
workspace with 30 entries does, and ends. Shown: median and worst of importing the sandbox, of
applying it, and of starting a program through the launcher instead of directly.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from coral_action.isolation import run_program  # noqa: E402
from coral_action.sandbox import weakest  # noqa: E402

_CHILD = """
import sys, time
sys.path.append(sys.argv[1])
import json, pathlib, subprocess, tempfile  # what a child imports without a sandbox, too
began = time.perf_counter()
from coral_action.sandbox import Policy, apply, workspace
imported = time.perf_counter()
reading = workspace(pathlib.Path(sys.argv[2]))
user = 64100 if sys.argv[3] == "0" else None
policy = Policy(tuple(map(str, reading.readable)), user=user, group=user, processes=2000)
prepared = time.perf_counter()
apply(policy)
print((imported - began) * 1e3, (time.perf_counter() - prepared) * 1e3)
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        for number in range(30):
            (folder / f"entry-{number}").mkdir()
        pairs = [_child(folder) for _ in range(runs)]
    programs = [(_seconds(False), _seconds(True)) for _ in range(runs)]
    strength = weakest()
    print(f"{datetime.date.today()}, {platform.processor() or platform.machine()}, ", end="")
    print(f"{os.cpu_count()} cores, Linux {platform.release()}")
    print(f"defences: {strength.describe() if strength else 'none'}")
    _show("importing the sandbox", [pair[0] for pair in pairs])
    _show("applying it", [pair[1] for pair in pairs])
    _show("launcher of a program", [1e3 * (there - plain) for plain, there in programs])


def _child(folder: Path) -> tuple[float, float]:
    words = [sys.executable, "-P", "-c", _CHILD, str(PROJECT), str(folder), str(os.geteuid())]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), float(said[1])


def _seconds(sandboxed: bool) -> float:
    began = time.perf_counter()
    if sandboxed:
        run_program(["/bin/true"], seconds=60)
    else:
        subprocess.run(["/bin/true"], check=True)
    return time.perf_counter() - began


def _show(what: str, milliseconds: list[float]) -> None:
    middle, worst = statistics.median(milliseconds), max(milliseconds)
    print(f"{what:24} {middle:6.1f} ms median, {worst:6.1f} ms worst of {len(milliseconds)}")


if __name__ == "__main__":
    main()
