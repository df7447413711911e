"""What a model costs: measured by an earlier report, or estimated by the sizes of its files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coral_action.config.data_schema import EvaluationConfig
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import ConfigError
from coral_action.report.model import ModelReport

# Estimates, from figures of docs/scale.md (two cores): a model takes so long to load and quantize,
# and one sample of its evaluation so long, with float and with int8. They only balance jobs.
_MODEL_SECONDS, _MODEL_SECONDS_PER_MIB = 4.0, 2.0
_SAMPLE_SECONDS, _SAMPLE_SECONDS_PER_MIB = 0.001, 0.0005
_MIB = 2**20
_MAKING_STAGES = ("loading", "quantization", "compilation")  # as a report times them
# Of a file that holds many samples, such as an .npz or a TFRecord, only its size is known here.
_BYTES_PER_PACKED_SAMPLE = 100_000
_PACKED = (".npz", ".npy", ".csv", ".tfrecord", ".tfrecords", ".gz")


@dataclass(frozen=True)
class Cost:
    """Seconds of one job: `making` the model, and evaluating all of its `samples`."""

    making: float
    evaluation: float
    samples: int
    measured: bool

    @property
    def total(self) -> float:
        """Of one job that does all of it."""
        return self.making + self.evaluation

    def of_shard(self, count: int) -> float:
        """Of one of so many shards that each make the model."""
        return self.making + self.evaluation / count


def cost_of(model: ModelConfig, paths: PathRules, before: ModelReport | None) -> Cost:
    """What a model will cost.

    Args:
        model: its part of coral.yml.
        paths: where its paths begin.
        before: the model in an earlier report. Its times count if it was made then; the evaluation
            is scaled to the samples of today where their number is known.

    Raises:
        ConfigError: if a path leaves the workspace.
    """
    samples = _sample_count(model.evaluation, paths) if model.evaluation else 0
    if before is not None and _was_made(before):
        evaluation = before.seconds.get("evaluation", 0.0)
        making = _making(before.seconds)
        counted = before.accuracy.samples if before.accuracy else 0
        if counted and samples:
            evaluation *= samples / counted
        if bool(counted) == bool(samples):
            return Cost(making, evaluation, samples, measured=True)
    mib = _bytes_below(paths.resolve(model.source)) / _MIB
    return Cost(
        _MODEL_SECONDS + _MODEL_SECONDS_PER_MIB * mib,
        samples * (_SAMPLE_SECONDS + _SAMPLE_SECONDS_PER_MIB * mib),
        samples,
        measured=False,
    )


def _was_made(before: ModelReport) -> bool:
    """Whether its times are those of the work: what comes from a cache takes none."""
    return before.status != "failed" and not before.from_cache and bool(before.seconds.get("total"))


def _making(seconds: Mapping[str, float]) -> float:
    """What one job takes to make a model; the total of a merged report is that of all shards."""
    stages = [seconds[stage] for stage in _MAKING_STAGES if stage in seconds]
    return sum(stages) if stages else max(seconds["total"] - seconds.get("evaluation", 0.0), 0.0)


def _sample_count(evaluation: EvaluationConfig, paths: PathRules) -> int:
    """How many samples there are at most; a rough number where no listing tells."""
    _, value = evaluation.source
    named = value if isinstance(value, str) else getattr(value, "files", None)
    if named is None and isinstance(value, dict):
        named = next(iter(value.values()), "")  # several inputs: one file each makes a sample
    there = _files(str(named or getattr(value, "file", "")), paths)
    found = sum(
        max(1, _bytes_below(path) // _BYTES_PER_PACKED_SAMPLE)
        if path.suffix.lower() in _PACKED
        else 1
        for path in there
    )
    limit = evaluation.samples
    return found if limit is None else min(limit, found) if found else limit


def _files(named: str, paths: PathRules) -> list[Path]:
    """The files that a folder, glob, list file or path names; nothing is read but a list."""
    pattern = Path(named)
    fixed = [part for part in pattern.parts if not set("*?[") & set(part)]
    plain = paths.resolve(str(Path(*fixed)))
    if len(fixed) < len(pattern.parts):
        rest = str(Path(*pattern.parts[len(fixed) :]))
        return [path for path in plain.glob(rest) if path.is_file()] if plain.is_dir() else []
    if plain.is_dir():
        return [Path(parent) / name for parent, _, names in os.walk(plain) for name in names]
    if plain.suffix.lower() in (".txt", ".lst") and plain.is_file():
        with plain.open("rb") as file:
            return [plain.parent / os.fsdecode(line.strip()) for line in file if line.strip()]
    return [plain] if plain.is_file() else []


def _bytes_below(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.is_file() else 0
    return sum(
        (Path(parent) / name).stat(follow_symlinks=False).st_size
        for parent, _, names in os.walk(path)
        for name in names
    )


def cost_or_nothing(model: ModelConfig, paths: PathRules, before: ModelReport | None) -> Cost:
    """The same where a path is wrong: the job itself will say so."""
    try:
        return cost_of(model, paths, before)
    except (ConfigError, OSError):
        return Cost(_MODEL_SECONDS, 0.0, 0, measured=False)
