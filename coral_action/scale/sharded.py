"""The shards of one model: all there, of one int8 model, and joined to what one run reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from coral_action.errors import CoralQuantizeError, MergeError, error_classes
from coral_action.isolation import Reading, run_isolated
from coral_action.provenance import sha256_of
from coral_action.report.model import (
    AccuracyData,
    FindingData,
    LimitData,
    ModelReport,
    ShardData,
)
from coral_action.report.sections import DataSetData
from coral_action.scale.partial import Piece


def from_shards(pieces: Sequence[Piece], planned: int | None, ignored: Sequence[str]) -> Piece:
    """The whole model, at the place of the shard that made it.

    Args:
        pieces: every one a shard, failed or not.
        planned: how many shards there should be, if that is known.
        ignored: ids of findings that are not to be shown.

    Raises:
        MergeError: if a shard is missing, there twice, or has another int8 model than the others.
        CoralQuantizeError: that of the first shard that failed.
    """
    shards = sorted(
        ((shard, piece) for piece in pieces if (shard := piece.model.shard) is not None),
        key=lambda item: item[0].index,
    )
    _complete(shards, planned)
    for shard, piece in shards:
        if piece.model.error is not None:
            raise _again(piece, shard)
    _one_model(shards)
    files = []
    for shard, piece in shards:
        path = piece.beside(shard.file)
        if path.is_symlink() or not path.is_file() or sha256_of(path) != shard.sha256:
            raise MergeError(
                f"shard {shard.index}/{shard.count}: {path} is missing or not what the job wrote",
                hint="keep the files of a shard beside its report.json",
            )
        files.append(str(path.resolve()))
    first = shards[0][1]
    base = first.model
    scored = run_isolated(
        "coral_action.scale.scoring:score_task",
        {
            "files": files,
            "sizes": base.sizes and base.sizes.model_dump(mode="json"),
            "placement": base.placement and base.placement.model_dump(mode="json"),
        },
        stage="merging",
        reading=Reading(tuple(map(Path, files))),
    )
    findings = [FindingData.model_validate(item) for item in scored["findings"]]
    lines = shards[0][0].lines
    limits = [
        LimitData.model_validate(item | {"line": lines.get(item["name"], base.line)})
        for item in scored["limits"]
    ]
    data = scored.get("evaluation_data")
    exceeded = any(not limit.passed for limit in limits)
    update = {
        "status": "limit_exceeded" if exceeded else "ok",
        "accuracy": AccuracyData.model_validate(scored["accuracy"]),
        "evaluation_data": data and DataSetData.model_validate(data),
        "findings": _in_order(base, [f for f in findings if f.id not in ignored]),
        "limits": limits,
        "seconds": _seconds([piece.model for _, piece in shards]),
        "shard": None,
    }
    return Piece(first.path, base.model_copy(update=update))


def _complete(shards: Sequence[tuple[ShardData, Piece]], planned: int | None) -> None:
    counts = {shard.count for shard, _ in shards}
    if len(counts) > 1:
        listed = ", ".join(f"{s.index}/{s.count} ({piece.path})" for s, piece in shards)
        raise MergeError(f"shards of different splits: {listed}")
    (count,) = counts
    if planned is not None and planned != count:
        raise MergeError(f"it is in {count} shards, but {planned} were planned")
    places = Counter(shard.index for shard, _ in shards)
    for index in sorted(places):
        if places[index] > 1:
            listed = ", ".join(str(p.path) for s, p in shards if s.index == index)
            raise MergeError(
                f"shard {index}/{count} is there {places[index]} times: {listed}",
                hint="give each report once",
            )
    missing = [f"{index}/{count}" for index in range(1, count + 1) if index not in places]
    if missing:
        what = "shard" if len(missing) == 1 else "shards"
        raise MergeError(
            f"{what} {', '.join(missing)} missing",
            hint="the log of the job tells why; run it again, then merge again",
        )


def _one_model(shards: Sequence[tuple[ShardData, Piece]]) -> None:
    first, made = shards[0]
    for shard, piece in shards:
        if shard.int8_sha256 != first.int8_sha256:
            raise MergeError(
                f"shard {shard.index}/{shard.count} ({piece.path}) has another int8 model than "
                f"shard {first.index}/{first.count} ({made.path})",
                hint="processors round differently: make the model once, with --shard "
                f"0/{first.count}, and give it to the others with --quantized",
            )


def _again(piece: Piece, shard: ShardData) -> CoralQuantizeError:
    """The error of a shard, as that of the model."""
    error = piece.model.error
    assert error is not None  # noqa: S101 - seen to by the caller
    kind = error_classes().get(error.kind, MergeError)
    return kind(
        f"shard {shard.index}/{shard.count}: {error.message}", hint=error.hint, topic=error.topic
    )


def _in_order(base: ModelReport, found: list[FindingData]) -> list[FindingData]:
    """Findings in the order of one run: a compiler's placement comes last."""
    compiled = base.placement is not None and base.placement.origin == "compiler"
    last = [f for f in base.findings if compiled and f.id.startswith("CQ1")]
    return [*(f for f in base.findings if f not in last), *found, *last]


def _seconds(models: Sequence[ModelReport]) -> dict[str, float]:
    """Of the shard that made the model; evaluation and total are those of all machines."""
    total = dict(models[0].seconds)
    for name in ("evaluation", "total"):
        known = [model.seconds[name] for model in models if name in model.seconds]
        if known:
            total[name] = round(sum(known), 3)
    return total
