"""This report against an earlier one: every figure, every operator, models added and removed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from coral_action.report.base import Data

Kind = Literal["bytes", "count", "percent", "points", "ms", "db", "value"]


class Change(Data):
    """One figure before and after.

    `real` is false where the difference is within what chance alone makes; `better` is absent
    where neither direction is.
    """

    figure: str
    kind: Kind
    before: float | None = None
    after: float | None = None
    real: bool = True
    better: bool | None = None


class MovedOperator(Data):
    """An operator whose place changed; `index` is that of the newer report."""

    index: int
    name: str
    reason: str | None = None


class ModelComparison(Data):
    """One model against itself earlier: only what differs."""

    name: str
    status_before: str
    changes: list[Change] = Field(default_factory=list)
    newly_on_cpu: list[MovedOperator] = Field(default_factory=list)
    newly_on_edge_tpu: list[MovedOperator] = Field(default_factory=list)


class Comparison(Data):
    """The whole comparison; `models` has every model that both reports have."""

    models: list[ModelComparison] = Field(default_factory=list)
    added: list[str] = Field(default_factory=list)
    removed: list[str] = Field(default_factory=list)
