"""One evaluation in 1, 2 and 4 shards, and what that means for many models: MobileNetV2 224.

Usage: python bench/shards.py [--samples N] [--shards N ...] [--given MAKING SAMPLE]

The jobs of a split run one after the other on this machine, each with all of its cores, as the jobs
of a matrix run on machines of their own: the longest is what a user waits for, and the sum is what
is paid. `made once` is a job that only makes the model, and shards that take it (`plan
--make-once`). Results must be identical. On a busy machine look at the processor time.

The last table is worked out, not measured: 40 models and 50,000 images on 10 jobs, by the program's
own planning and the figures above; or by given ones alone, in seconds, without measuring anything.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from evaluate import machine, make_model_and_images

PROJECT = Path(__file__).resolve().parent.parent
CONFIG = """version: 1
models:
  - name: mobilenet
    source: model.keras
    calibration: {images: images, samples: 100}
    preprocess: {mean: 127.5, std: 127.5}
    evaluation: {images: images, labels: folders}
"""
START = 30.0  # seconds until a job of a hosted runner does its first work, image pulled: assumed
MODELS, IMAGES, JOBS = 40, 50_000, 10


@dataclass(frozen=True)
class Took:
    """Seconds of a process and its children: by the clock, and of all cores."""

    wall: float
    processor: float


def coral(folder: Path, *words: object) -> Took:
    """`coral-quantize WORDS`, as a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "coral_action", *map(str, words), "--quiet"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return Took(time.monotonic() - started, processor)


def split(folder: Path, count: int, *, once: bool) -> tuple[list[Took], Took, dict]:
    """The jobs of a split, that which makes the model once first, and the merge."""
    run = ("run", "--compiler", "none", "--no-cache")
    name = f"{count}-{once}"
    places, took = [], []
    for index in range(0 if once else 1, count + 1):
        places.append(folder / f"{name}-{index}")
        words = ["--output", places[-1]]
        words += ["--shard", f"{index}/{count}"] if count > 1 else []
        words += ["--quantized", places[0]] if once and index else []
        took.append(coral(folder, *run, *words))
    merging = coral(folder, "merge", *places, "--output", folder / name)
    report = json.loads((folder / name / "report.json").read_text())
    return took, merging, report["models"][0]


def table(rows: list[tuple[str, list[Took], Took, bool]], whole: Took) -> None:
    """Times of each split, and of its merge; efficiency is one run over the sum of the jobs."""
    print("| shards | longest | sum | processor, sum | efficiency | faster | merge |")
    print("|---|---|---|---|---|---|---|")
    for title, jobs, merging, once in rows:
        total, processor = sum(j.wall for j in jobs), sum(j.processor for j in jobs)
        made = jobs[0].wall if once else 0.0
        longest = made + max(j.wall for j in jobs[1 if once else 0 :])
        print(
            f"| {title} | {longest:.1f} s | {total:.1f} s | {processor:.1f} s "
            f"| {whole.processor / processor:.2f} | {whole.wall / longest:.2f} "
            f"| {merging.wall:.1f} s |"
        )


def simulate(making: float, sample: float) -> None:
    """Waiting and paid time of all models, and of a pull request that changes one."""
    sys.path.insert(0, str(PROJECT))
    from coral_action.scale.balance import Unit, share_out
    from coral_action.scale.costs import Cost

    cost = Cost(making, sample * IMAGES, IMAGES, measured=True)
    print(f"\nWorked out: {making:.1f} s to make a model, {1000 * sample:.1f} ms a sample,")
    print(f"{IMAGES:,} images for each model, {START:.0f} s to start a job")
    print("| | jobs | longest job | sum |\n|---|---|---|---|")
    for models, jobs in ((MODELS, 1), (MODELS, JOBS), (1, 1), (1, JOBS)):
        work = [Unit((f"m{i}",), cost, divisible=True, changed=True) for i in range(models)]
        bundles = share_out(work, jobs=jobs, shortest=120)
        seconds = [START + bundle.seconds for bundle in bundles]
        title = f"{models} model{'s' if models > 1 else ''}"
        print(f"| {title} | {len(bundles)} | {max(seconds):.0f} s | {sum(seconds):.0f} s |")


def main() -> None:
    """Measure, then work out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--shards", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--given", type=float, nargs=2, metavar=("MAKING", "SAMPLE"))
    options = parser.parse_args()
    if options.given:
        simulate(*options.given)
        return
    print(f"{machine()}, {options.samples} images")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_model_and_images(folder, options.samples, CONFIG)
        rows, results, seconds = [], [], {}
        splits = [(count, False) for count in options.shards]
        most = max(options.shards)
        for count, once in [*splits, (most, True)] if most > 1 else splits:
            jobs, merging, model = split(folder, count, once=once)
            title = f"{count}, made once" if once else str(count)
            rows.append((title, jobs, merging, once))
            results.append(json.dumps([model[key] for key in ("accuracy", "evaluation_data")]))
            seconds.setdefault(count, model["seconds"])
    if len(set(results)) != 1:
        sys.exit("the results differ")
    table(rows, rows[0][1][0])
    one = seconds[min(seconds)]
    simulate(one["total"] - one["evaluation"], one["evaluation"] / options.samples)


if __name__ == "__main__":
    main()
