"""The task of a child process: shards of one model joined and scored. It reads strangers' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.data import compare, diagnose
from coral_action.errors import MergeError
from coral_action.evaluation import Gathered, ShardFile, join, score
from coral_action.isolation import ProgressCallback
from coral_action.report.build import accuracy_data, data_set, finding_data
from coral_action.report.limits import check_limits
from coral_action.report.model import PlacementData, SizeData


def score_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """What one run would have reported of the evaluation, as plain data.

    The request has the `files` of the shards, and the report's `sizes` and `placement`, by which
    limits are checked.
    """
    shards = [ShardFile.read(Path(path)) for path in request["files"]]
    calibration = next((s.calibration for s in shards if s.calibration is not None), None)
    parts = [shard.gathered for shard in shards if shard.gathered is not None]
    accuracy = score(shards[0].scoring, _joined(parts))
    findings = list(accuracy.findings)
    accuracy_section = accuracy_data(accuracy)
    sizes, placement = request["sizes"], request["placement"]
    result: dict[str, Any] = {"accuracy": _plain(accuracy_section)}
    if accuracy.statistics is not None:
        findings += diagnose(accuracy.statistics)
        result["evaluation_data"] = _plain(data_set(accuracy.statistics))
        if calibration is not None:
            findings += compare(calibration, accuracy.statistics)
    limits = check_limits(
        shards[0].scoring.limits,
        sizes=sizes and SizeData.model_validate(sizes),
        placement=placement and PlacementData.model_validate(placement),
        accuracy=accuracy_section,
    )
    result["findings"] = [_plain(finding_data(finding)) for finding in findings]
    result["limits"] = [_plain(limit) for limit in limits]
    return result


def _joined(parts: list[Gathered]) -> Gathered:
    try:
        return join(parts)
    except (ValueError, KeyError, IndexError) as error:
        raise MergeError(
            f"the shards don't fit together: {error}",
            hint="they have to be shards of one evaluation, of the same data",
        ) from error


def _plain(section: Any) -> dict[str, Any]:
    data: dict[str, Any] = section.model_dump(mode="json", by_alias=True, exclude_none=True)
    return data
