"""How the main job grows: an unchanged run, several models at once, and the memory of a model.

Usage: python bench/scale.py [unchanged] [models] [memory] [--runs N] [--most 8]
Without a word, all parts. Shards of a large evaluation set are measured by bench/shards.py.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from main_job import PROJECT, machine

DIGITS = PROJECT / "examples/digits"
SOURCES = ("saved_model", "model.keras", "frozen.pb")
MODEL = """\
  - name: model_{number}
    source: {folder}/{source}
    calibration: {{images: {folder}/data/calibration, samples: 100}}
    preprocess: {{preset: keras.mobilenet}}
    evaluation: {{images: {folder}/data/test, labels: folders}}
"""
FROZEN = "    inputs: {image: [1, 28, 28, 1]}\n    outputs: [probabilities]\n"


def run(config: Path, output: Path, *words: str) -> tuple[float, float]:
    """Seconds of a whole process by the clock, and of the CPU with all children."""
    command = [sys.executable, "-m", "coral_action", "run", "--quiet", "--compiler", "none"]
    paths = ["--config", str(config), "--output", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run([*command, *paths, *words], cwd=PROJECT, check=True)
    seconds = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu


def unchanged_part(runs: int) -> None:
    """examples/digits, three forms: everything new, then nothing changed."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("--cache", str(Path(folder, "cache")))
        first = run(DIGITS / "coral.yml", Path(folder, "out"), *words)
        again = [run(DIGITS / "coral.yml", Path(folder, "out"), *words) for _ in range(runs)]
    seconds, cpu = (statistics.median(values) for values in zip(*again, strict=True))
    print(f"examples/digits, all new: {first[0]:.1f} s")
    print(f"examples/digits, unchanged: {seconds:.2f} s ({cpu:.2f} s of CPU; median of {runs})")


def config_of(folder: Path, sources: list[str]) -> Path:
    """A coral.yml of so many models; the forms of the example take turns."""
    lines = ["version: 1\n", "models:\n"]
    for number, source in enumerate(sources):
        lines.append(MODEL.format(number=number, folder=DIGITS, source=source))
        lines += [FROZEN] if source == "frozen.pb" else []
    path = folder / "coral.yml"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def models_part(most: int, runs: int) -> None:
    """1, 2, 4, 8 models at once, against the sum of the same models alone, a process for each."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def seconds(sources: list[str]) -> float:
            config = config_of(place, sources)
            found = [run(config, place / "out", "--no-cache")[0] for _ in range(runs)]
            return statistics.median(found)

        alone = {source: seconds([source]) for source in SOURCES}
        for source, took in alone.items():
            print(f"alone: {source}: {took:.1f} s")
        print("models  together  sum of parts  efficiency")
        count = 1
        while count <= most:
            sources = [SOURCES[number % len(SOURCES)] for number in range(count)]
            parts = sum(alone[source] for source in sources)
            together = seconds(sources) if count > 1 else parts
            print(f"{count:6}  {together:6.1f} s  {parts:10.1f} s  {parts / together:10.0%}")
            count *= 2


def memory_part() -> None:
    """The most that the child processes of each form take at a time."""
    sys.path.insert(0, str(PROJECT))
    from coral_action.children import CHILDREN
    from coral_action.config import load_config
    from coral_action.config.paths import PathRules
    from coral_action.pipeline import RunOptions
    from coral_action.pipeline import run as run_pipeline
    from coral_action.progress import Progress

    with tempfile.TemporaryDirectory() as folder:
        config = config_of(Path(folder), list(SOURCES))
        options = RunOptions(output=Path(folder, "out"), paths=PathRules(Path(folder)))
        run_pipeline(load_config(config), options, Progress())
    for number, source in enumerate(SOURCES):
        print(f"memory of {source}: {CHILDREN.peak(f'model_{number}') / 2**20:.0f} MiB")


def main() -> None:
    """Print what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=["unchanged", "models", "memory", []])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--most", type=int, default=8)
    asked = parser.parse_args()
    os.environ.pop("CORAL_QUANTIZE_CACHE", None)
    print(machine())
    wanted = asked.parts or ["unchanged", "models", "memory"]
    if "unchanged" in wanted:
        unchanged_part(asked.runs)
    if "models" in wanted:
        models_part(asked.most, asked.runs)
    if "memory" in wanted:
        memory_part()


if __name__ == "__main__":
    main()
