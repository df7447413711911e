"""How long the main job takes on examples/digits: whole process, median of several runs.

Usage: python bench/main_job.py [--runs N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Run the job several times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    walls, stages = [], []
    config = str(PROJECT / "examples/digits/coral.yml")
    command = [
        sys.executable,
        "-m",
        "coral_action",
        "run",
        "--quiet",
        "--compiler",
        "none",
        "--no-cache",
    ]
    for _ in range(runs):
        with tempfile.TemporaryDirectory() as output:
            started = time.monotonic()
            subprocess.run(
                [*command, "--config", config, "--output", output], cwd=PROJECT, check=True
            )
            walls.append(time.monotonic() - started)
            report = json.loads((Path(output) / "report.json").read_text())
            stages.append([model["seconds"] for model in report["models"]])
    print(machine())
    print(
        f"digits, three forms, whole process: {statistics.median(walls):.1f} s (median of {runs})"
    )
    for stage in ("loading", "quantization", "evaluation"):
        values = [model[stage] for run in stages for model in run]
        print(f"  {stage}, one model: {statistics.median(values):.2f} s")


if __name__ == "__main__":
    main()
