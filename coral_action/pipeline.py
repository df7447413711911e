"""Config in, Report out; one failed model never stops the others."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from coral_action.config.lines import model_lines
from coral_action.config.schema import Config, ModelConfig
from coral_action.errors import CoralQuantizeError, UsageError
from coral_action.model_run import ModelRun, RunOptions, compile_runs
from coral_action.progress import Progress
from coral_action.provenance import tool_versions
from coral_action.report.lines import with_lines
from coral_action.report.model import Report
from coral_action.sandbox import weakest

__all__ = ["RunOptions", "run"]


def run(
    config: Config, options: RunOptions, progress: Progress
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """Process the chosen models; the report has them in the order of coral.yml.

    Returns:
        The report, and the error of each model that failed.

    Raises:
        UsageError: if a chosen model is not in coral.yml, or the output folder can't be made.
    """
    runs = [ModelRun(model, options, progress) for model in _choose(config, options.models)]
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{options.output}: can't be made: {error.strerror}") from error

    def one(item: ModelRun) -> None:
        with progress.model(item.config.name):
            item.make()
            if options.compiler is not None and item.config.edge_tpu.group is None:
                compile_runs(options.compiler, [item])

    with ThreadPoolExecutor(max_workers=max(1, options.jobs)) as pool:
        list(pool.map(one, runs))
    if options.compiler is not None:
        for group in _groups(runs):
            compile_runs(options.compiler, group)
    ignored = frozenset(config.ignore)
    report = Report(
        tool={**tool_versions(), **_sandbox()},
        models=[item.report(ignored) for item in runs],
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if options.config_file is not None:
        lines = model_lines(options.config_file)
        report = with_lines(report, _as_known(options.config_file), lines)
    return report, {item.config.name: item.error for item in runs if item.error is not None}


def _sandbox() -> dict[str, str]:
    """What child processes were kept by, for the report; nothing where there were none."""
    strength = weakest()
    return {"sandbox": strength.describe()} if strength else {}


def _as_known(path: Path) -> str:
    """A file as the repository knows it: relative to the working folder, or else its name alone."""
    here = Path.cwd()
    resolved = path.resolve()
    known = resolved.relative_to(here) if resolved.is_relative_to(here) else Path(path.name)
    return known.as_posix()


def _choose(config: Config, names: Sequence[str]) -> list[ModelConfig]:
    known = [model.name for model in config.models]
    for name in names:
        if name not in known:
            raise UsageError(f"no model is named {name}", hint=f"coral.yml has: {', '.join(known)}")
    return [model for model in config.models if not names or model.name in names]


def _groups(runs: Sequence[ModelRun]) -> list[list[ModelRun]]:
    """Models that are compiled together, in the order of coral.yml."""
    groups: dict[str, list[ModelRun]] = {}
    for item in runs:
        if item.config.edge_tpu.group is not None:
            groups.setdefault(item.config.edge_tpu.group, []).append(item)
    return list(groups.values())
