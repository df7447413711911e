"""How long each format of the report takes, and how large it is: 40 models of 300 operators.

python bench/report.py [--models 40] [--operators 300] [--runs 5]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from machine import machine

PROJECT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(PROJECT), str(PROJECT / "tests" / "report")]

import report_samples as samples  # noqa: E402

from coral_action.report.baseline import with_baseline  # noqa: E402
from coral_action.report.formats import FORMATS, render_json, renderer  # noqa: E402
from coral_action.report.model import Report  # noqa: E402


def main() -> None:
    """Print a table: format, median and worst of the runs, median of processor time, bytes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=int, default=40)
    parser.add_argument("--operators", type=int, default=300)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    print(machine())
    report = samples.large(options.models, options.operators)
    report = with_baseline(report, report)
    print(f"{options.models} models of {options.operators} operators, {options.runs} runs")
    print(f"{'format':<12} {'median ms':>10} {'worst ms':>10} {'cpu ms':>10} {'bytes':>12}")
    data = render_json(report)
    for name in ("read json", *FORMATS):
        times, cpu_times = [], []
        for _ in range(options.runs):
            started, cpu_started = time.perf_counter(), time.process_time()
            if name == "read json":
                Report.model_validate_json(data)
            else:
                text = renderer(name)(report)
            times.append((time.perf_counter() - started) * 1000)
            cpu_times.append((time.process_time() - cpu_started) * 1000)
        size = len(data.encode()) if name == "read json" else len(text.encode())
        figures = (statistics.median(times), max(times), statistics.median(cpu_times))
        print(f"{name:<12}", *(f"{figure:>10.1f}" for figure in figures), f"{size:>12,}")


if __name__ == "__main__":
    main()
