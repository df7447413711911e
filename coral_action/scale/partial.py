"""Partial reports, as the jobs of a matrix leave them, and whether they belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from coral_action.errors import UsageError
from coral_action.report.model import ConfigData, ModelReport, Report

_NAME = "report.json"


@dataclass(frozen=True)
class Partial:
    """One report.json and where it lies; what else the job made lies beside it."""

    path: Path
    report: Report


@dataclass(frozen=True)
class Piece:
    """One model of a partial report: the whole model, or a shard of it."""

    path: Path
    model: ModelReport

    def beside(self, name: str) -> Path:
        """A file that the job left beside its report, whatever folder its name tells of."""
        return self.path.parent / Path(name).name


def read_partials(paths: Sequence[Path]) -> list[Partial]:
    """Reports by their files, their folders, or a folder that holds a folder for each job.

    Raises:
        UsageError: if one can't be read or is no report.
    """
    files: list[Path] = []
    for path in paths:
        whole = path / _NAME
        if not path.is_dir():
            files.append(path)
        else:
            files += [whole] if whole.exists() else sorted(path.glob(f"*/{_NAME}"))
    return [Partial(file, Report.read(file)) for file in files]


def common_config(partials: Sequence[Partial]) -> ConfigData:
    """The coral.yml that all reports are of.

    Raises:
        UsageError: if they differ in it or in their tools, which is named.
    """
    first = partials[0]
    for other in partials:
        if other.report.config is None:
            raise UsageError(
                f"{other.path}: does not say which coral.yml it is of",
                hint="it was made by an older version: run it again",
            )
        _same_tools(first, other)
        if other.report.config != first.report.config:
            raise UsageError(
                f"{other.path} and {first.path} are of different coral.yml files",
                hint="all jobs have to check out the same commit",
            )
    assert first.report.config is not None  # noqa: S101 - seen to above
    return first.report.config


def _same_tools(first: Partial, other: Partial) -> None:
    ours, theirs = first.report.versions, other.report.versions
    for tool in sorted({*ours, *theirs}):
        if ours.get(tool) != theirs.get(tool):
            raise UsageError(
                f"{other.path} was made with {tool} {theirs.get(tool, '(none)')}, "
                f"{first.path} with {ours.get(tool, '(none)')}",
                hint="all jobs have to run the same version of coral-quantize",
            )


def pieces_of(partials: Sequence[Partial]) -> dict[str, list[Piece]]:
    """The pieces of each model, in the order in which they are given."""
    pieces: dict[str, list[Piece]] = {}
    for partial in partials:
        for model in partial.report.models:
            pieces.setdefault(model.name, []).append(Piece(partial.path, model))
    return pieces
