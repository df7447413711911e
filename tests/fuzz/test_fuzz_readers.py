"""Every reader of foreign bytes in the parent process, under inputs that were real once.

A few seconds each from a fixed seed; `make fuzz` (CORAL_FUZZ_SECONDS=600) takes ten minutes each,
with another seed every time (CORAL_FUZZ_SEED repeats one).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from harness import PROJECT

SECONDS = float(os.environ.get("CORAL_FUZZ_SECONDS", "5"))
SEED = int(os.environ.get("CORAL_FUZZ_SEED", "20261123"))
TARGETS = ("tflite", "executable", "log", "config", "report", "index")


@pytest.mark.parametrize("target", TARGETS)
def test_reader(target: str) -> None:
    finished = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", target, str(SECONDS), str(SEED)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=SECONDS + 300,
    )
    assert finished.returncode == 0, f"seed {SEED}\n{finished.stderr[-6000:]}"
    figures = json.loads(finished.stdout.splitlines()[-1])
    print(figures)  # noqa: T201
    assert figures["cases"] > 0
