"""The plan of a matrix: what `plan` decided, and what `merge` may expect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from coral_action.errors import UsageError
from coral_action.report.base import Data


class PlannedModel(Data):
    """One model of coral.yml; `shards` of 1 is none, `lines` are those of the limits."""

    name: str
    source: str
    shards: int = Field(1, ge=1, le=256)
    carried_over: bool = False
    changed: bool = True
    seconds: float = 0.0
    measured: bool = False
    line: int | None = None
    lines: dict[str, int] = Field(default_factory=dict)


class Job(Data):
    """One job of the matrix.

    `model` has the names that `run --model` takes, separated by blanks, `shard` is as `--shard`
    takes it, or empty, and `arguments` is both as the command line takes them.
    """

    id: str
    name: str
    model: str
    shard: str = ""
    arguments: str
    seconds: float
    made_by: str = ""  # id of the job whose int8 model this one takes


class Plan(Data):
    """All of it. `evaluate` is empty where each shard makes its model itself."""

    plan_version: Literal[1] = 1
    config_sha256: str
    config_file: str | None = None
    models: list[PlannedModel]
    jobs: list[Job]
    evaluate: list[Job] = Field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return self.model_dump(mode="json", exclude_none=True)

    @classmethod
    def read(cls, path: Path) -> Plan:
        """A plan from its file.

        Raises:
            UsageError: if it can't be read or is none.
        """
        try:
            return cls.model_validate(json.loads(path.read_bytes()))
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{path}: no plan: {str(error).splitlines()[0]}",
                hint="`coral-quantize plan --output plan.json` writes one",
            ) from error


def matrix(jobs: list[Job]) -> dict[str, Any]:
    """Jobs as `strategy.matrix` takes them."""
    return {"include": [job.model_dump(mode="json") for job in jobs]}
