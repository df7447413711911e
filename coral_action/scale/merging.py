"""Partial reports made whole: models of several jobs, and shards of one model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coral_action.config.lines import ModelLines
from coral_action.errors import CoralQuantizeError, MergeError, UsageError
from coral_action.output_files import take_file
from coral_action.output_folder import is_of_model
from coral_action.report.lines import with_lines
from coral_action.report.model import (
    ConfigData,
    ErrorData,
    FileData,
    ModelReport,
    Report,
    SourceData,
)
from coral_action.scale.carry import carried
from coral_action.scale.partial import Partial, Piece, common_config, pieces_of
from coral_action.scale.plan_file import Plan, PlannedModel
from coral_action.scale.sharded import from_shards

_MAX_FILE_BYTES = 2**31  # what a flatbuffer can hold


def merge(
    partials: Sequence[Partial],
    output: Path,
    *,
    plan: Plan | None = None,
    baseline: Report | None = None,
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """One report of all partial ones, with the models' files beside it in `output`.

    What is wrong with one model's pieces (a shard is missing or there twice, shards have different
    int8 models) fails that model, and no other.

    Args:
        partials: at least one, or none if all of the plan's models are carried over.
        output: an existing folder.
        plan: what there should be; without it, only what is there is joined.
        baseline: where carried-over models come from.

    Returns:
        The report, and the error of each model that can't be joined.

    Raises:
        UsageError: if the reports are of different coral.yml files, or made by different tools.
    """
    if not partials and (plan is None or baseline is None):
        raise UsageError("there is no report to merge")
    config = common_config(partials) if partials else _planned_config(plan)
    if plan is not None and plan.config_sha256 != config.sha256:
        raise UsageError(
            f"{partials[0].path} and the plan are of different coral.yml files",
            hint="all jobs have to check out the same commit",
        )
    pieces, planned = pieces_of(partials), {m.name: m for m in (plan.models if plan else ())}
    before = {model.name: model for model in (baseline.models if baseline else ())}
    models: list[ModelReport] = []
    errors: dict[str, CoralQuantizeError] = {}
    for name in [name for name in config.models if name in pieces or name in planned]:
        wanted = planned.get(name)
        try:
            models.append(
                _model(name, pieces.get(name, []), wanted, before.get(name), config, output)
            )
        except CoralQuantizeError as error:
            errors[name] = error
            models.append(_failed(name, pieces.get(name, []), wanted, error))
    report = Report(
        tool=partials[0].report.tool if partials else _tool_of(baseline),
        models=models,
        created=max((p.report.created or "" for p in partials), default="") or None,
        config_file=partials[0].report.config_file if partials else plan and plan.config_file,
        config=config,
    )
    if plan is not None and report.config_file is not None:
        lines = {m.name: ModelLines(m.line, m.lines) for m in plan.models if m.line is not None}
        report = with_lines(report, report.config_file, lines)
    return report, errors


def _planned_config(plan: Plan | None) -> ConfigData:
    """Where every model is carried over, nobody but the plan knows."""
    assert plan is not None  # noqa: S101 - seen to by the caller
    return ConfigData(sha256=plan.config_sha256, models=[model.name for model in plan.models])


def _tool_of(baseline: Report | None) -> dict[str, str]:
    return baseline.tool if baseline else {}


def _model(
    name: str,
    pieces: list[Piece],
    planned: PlannedModel | None,
    before: ModelReport | None,
    config: ConfigData,
    output: Path,
) -> ModelReport:
    """One model made whole.

    Raises:
        MergeError: if its pieces are not exactly what there should be.
    """
    if not pieces:
        if planned is not None and planned.carried_over and before is not None:
            return carried(before)
        raise _no_report(planned)
    whole = [piece for piece in pieces if piece.model.shard is None]
    if not whole:
        found = from_shards(pieces, planned.shards if planned else None, config.ignore)
        return _with_files(found.model, found.path, output)
    if len(pieces) > 1:
        listed = ", ".join(str(piece.path) for piece in pieces)
        raise MergeError(f"it is there {len(pieces)} times: {listed}", hint="give each report once")
    return _with_files(whole[0].model, whole[0].path, output)


def _no_report(planned: PlannedModel | None) -> MergeError:
    if planned is not None and planned.carried_over:
        return MergeError(
            "it was to be carried over, but the baseline does not have it",
            hint="give --baseline as it was given to `plan`",
        )
    return MergeError("its job left no report", hint="the log of the job tells why; run it again")


def _failed(
    name: str, pieces: list[Piece], planned: PlannedModel | None, error: CoralQuantizeError
) -> ModelReport:
    """A model without a result: all that is known of it, and why."""
    known = pieces[0].model if pieces else None
    model = known or ModelReport(
        name=name, status="failed", source=SourceData(path=planned.source if planned else "")
    )
    reason = ErrorData(kind=error.kind, message=error.message, hint=error.hint, topic=error.topic)
    return model.model_copy(
        update={"status": "failed", "error": reason, "shard": None, "files": FileData()}
    )


def _with_files(model: ModelReport, path: Path, output: Path) -> ModelReport:
    """The model with copies of its files in `output`; those that are not there are left out.

    A model in several segments has more files than the report names; all begin with its name. A
    report may come from anybody: what it names is copied only under names that a run uses.

    Raises:
        MergeError: if a file can't be copied.
    """
    named = {k: Path(v).name for k, v in model.files.model_dump(exclude_none=True).items()}
    start = f"{model.name}_int8"
    copied = set()
    for found in sorted(path.parent.iterdir()) if named else ():
        wanted = found.name in named.values() or found.name.startswith(start)
        if (
            not wanted
            or not is_of_model(found.name, model.name)
            or found.is_symlink()
            or not found.is_file()
        ):
            continue
        target = output / found.name
        if found.resolve() != target.resolve():
            try:
                take_file(found, target, _MAX_FILE_BYTES)
            except OSError as error:
                reason = error.strerror or str(error)
                raise MergeError(f"{found}: can't be copied to {target}: {reason}") from error
        copied.add(found.name)
    there = {k: (output / name).as_posix() for k, name in named.items() if name in copied}
    return model.model_copy(update={"files": FileData(**there)})
