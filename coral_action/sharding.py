"""One job's part of a model: an int8 model that another job made, and a shard of the evaluation."""

from __future__ import annotations

from pathlib import Path

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.data import SampleStatistics
from coral_action.errors import UsageError
from coral_action.evaluation import Scoring, Shard, ShardFile, evaluate_shard
from coral_action.isolation import ProgressCallback, scratch_folder
from coral_action.loading import FloatModel
from coral_action.output_files import take_file
from coral_action.provenance import sha256_of
from coral_action.report.model import ShardData

_MAX_FILE_BYTES = 2**34


def quantized_before(folder: Path, target: Path) -> Path:
    """The int8 model in the output folder of an earlier run.

    Args:
        folder: where that run wrote.
        target: where this run's int8 model goes; absolute.

    Raises:
        UsageError: if there is none, or it is where this run writes.
    """
    path = folder.resolve() / target.name
    if not path.is_file() or path == target:
        what = "is where this run writes" if path.is_file() else "there is no such file"
        raise UsageError(
            f"{folder / path.name}: {what}",
            hint="--quantized names the output folder of an earlier run, --output another one",
        )
    return path


def write_shard(
    config: ModelConfig,
    model: FloatModel,
    int8: Path,
    paths: PathRules,
    shard: Shard,
    *,
    calibration: SampleStatistics | None,
    allow_custom_code: bool,
    on_progress: ProgressCallback,
) -> ShardData:
    """Measure one shard of the evaluation, and write what was found beside the int8 model.

    Args and errors as of `evaluation.evaluate`.

    Returns:
        The report's section about it.
    """
    gathered = None
    if shard.index:
        gathered = evaluate_shard(
            config,
            model,
            int8,
            paths,
            shard,
            on_progress=on_progress,
            allow_custom_code=allow_custom_code,
        )
    path = int8.with_name(shard.file_name(config.name))
    made = ShardFile(Scoring.of(config, model), gathered, calibration)
    with scratch_folder() as folder:
        made.write(folder / path.name)
        take_file(folder / path.name, path, _MAX_FILE_BYTES)  # past a link in its place
    return ShardData(
        index=shard.index,
        count=shard.count,
        int8_sha256=sha256_of(int8),
        file=path.name,
        sha256=sha256_of(path),
        samples=len(gathered.columns) if gathered else 0,
    )


def remove_shards(folder: Path, model: str) -> None:
    """Remove what an earlier run left of a model's shards."""
    for path in folder.glob(f"{model}.shard-*-of-*.npz"):
        path.unlink()
