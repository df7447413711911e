"""Config in, Report out; one failed model never stops the others."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from coral_action.admission import Admission, estimate, free_memory
from coral_action.cache import Cache
from coral_action.cache_origin import why_not_ours
from coral_action.children import CHILDREN, owner
from coral_action.config.lines import model_lines
from coral_action.config.schema import Config, ModelConfig
from coral_action.download import fetch
from coral_action.errors import CoralQuantizeError, UsageError
from coral_action.file_index import FileIndex
from coral_action.isolation import programs_confined_to, scratch_folder
from coral_action.kept_stages import KeptStages
from coral_action.model_run import ModelRun, RunOptions, compile_runs
from coral_action.output_folder import require_free
from coral_action.progress import Progress
from coral_action.provenance import config_hash, tool_versions
from coral_action.report.files import prepare_report, remove_report
from coral_action.report.lines import with_lines
from coral_action.report.model import ConfigData, Report
from coral_action.sandbox import weakest
from coral_action.scratch import remove_stale
from coral_action.stage_keys import StageKeys
from coral_action.workers import core_count

__all__ = ["RunOptions", "run"]

# Until child processes work and this one has time.
_STARTING_SECONDS = 0.2


def run(
    config: Config, options: RunOptions, progress: Progress
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """Process the chosen models; the report has them in the order of coral.yml.

    Returns:
        The report, and the error of each model that failed.

    Raises:
        UsageError: if a chosen model is not in coral.yml, or the output folder can't be made or
            holds files of the repository that would be overwritten.
    """
    chosen = _choose(config, options)
    if options.paths.root is not None:
        require_free(options.output, options.paths.root, [model.name for model in chosen])
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{options.output}: can't be made: {error.strerror}") from error
    remove_stale()
    remove_report(options.output)
    with programs_confined_to(options.paths.root), scratch_folder() as scratch:
        fetched = fetch(config.downloads, chosen, scratch, os.environ)
        options = replace(options, paths=replace(options.paths, downloads=fetched.paths))
        runs = [ModelRun(model, options, progress) for model in chosen]
        if options.shard is not None:
            _refuse_without_evaluation(runs)
        for item in runs:
            item.error = fetched.error_of(item.config)
        with _kept(runs, options, progress):
            _make_all(runs, options, progress)
            for item in runs:
                item.finish()
        return _report(config, options, runs)


def _report(
    config: Config, options: RunOptions, runs: Sequence[ModelRun]
) -> tuple[Report, dict[str, CoralQuantizeError]]:
    """What has become of all models."""
    report = Report(
        tool={**tool_versions(), **_sandbox()},
        models=[item.report(config) for item in runs],
        config=ConfigData(
            sha256=config_hash(config),
            models=[model.name for model in config.models],
            ignore=config.ignore,
        ),
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )
    if options.config_file is not None:
        lines = model_lines(options.config_file)
        report = with_lines(report, _as_known(options.config_file), lines)
    return report, {item.config.name: item.error for item in runs if item.error is not None}


@contextmanager
def _kept(runs: Sequence[ModelRun], options: RunOptions, progress: Progress) -> Iterator[None]:
    """Around the work: models know what earlier runs left, and leave their own results."""
    root = options.paths.root
    why = why_not_ours(options.cache, root) if options.cache and root else None
    if why is not None:
        progress.warning(f"the cache {str(options.cache)!r} is not used: {why} (docs/cache.md)")
    if options.cache is None or why is not None:
        yield
        return
    cache = Cache(options.cache.absolute(), options.cache_limit_bytes)
    # One index for each repository, or each would throw out what the others know.
    place = hashlib.sha256(str(options.paths.base).encode()).hexdigest()[:16]
    index = FileIndex(options.cache.absolute() / "files" / f"{place}.json")
    keys = StageKeys(options.paths, index, allow_custom_code=options.allow_custom_code)
    for item in runs:
        item.kept = KeptStages(item.config, cache, keys)
    try:
        yield
    finally:
        index.save()
        if any(item.made_anew for item in runs):
            cache.prune()


def _make_all(runs: Sequence[ModelRun], options: RunOptions, progress: Progress) -> None:
    """Make every model, several at a time; groups are compiled when all of them are there."""
    admission = Admission(CHILDREN.memory, free_memory, lambda: CHILDREN.stopped_by)
    # The other shards' model is that of the first one: it is compiled once.
    compiler = options.compiler if options.shard is None or options.shard.makes_model else None

    def one(item: ModelRun) -> None:
        name = item.config.name
        owner.set(name)

        def wait() -> None:
            need = item.kept.peak_memory() or estimate(options.paths.resolve(item.config.source))
            admission.enter(name, need)

        item.wait_for_room = wait
        try:
            with progress.model(name):
                item.make()
                if compiler is not None and item.config.edge_tpu.group is None:
                    compile_runs(compiler, [item])
        finally:
            admission.leave(name)
        if item.error is None:
            item.kept.keep_peak_memory(CHILDREN.peak(name))

    with ThreadPoolExecutor(models_at_once(options.jobs, len(runs))) as pool:
        made = [pool.submit(one, item) for item in runs]
        wait(made, _STARTING_SECONDS)
        prepare_report()
        for item in made:
            item.result()
    if compiler is not None:
        for group in _groups(runs):
            compile_runs(compiler, group)
            admission.leave(group[0].config.name)


def models_at_once(jobs: int | None, models: int) -> int:
    """How many models are made at a time, if memory allows: one a core where nothing is said."""
    return max(1, min(core_count() if jobs is None else jobs, models))


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


def _choose(config: Config, options: RunOptions) -> list[ModelConfig]:
    names = options.models
    known = [model.name for model in config.models]
    for name in names:
        if name not in known:
            raise UsageError(f"no model is named {name}", hint=f"coral.yml has: {', '.join(known)}")
    chosen = [model for model in config.models if not names or model.name in names]
    return [model for model in chosen if model.name not in options.skip]


def _refuse_without_evaluation(runs: Sequence[ModelRun]) -> None:
    for item in runs:
        if item.config.evaluation is None:
            raise UsageError(
                f"{item.config.name} has no `evaluation` to share out",
                hint="name models that have one with --model, or leave --shard out",
            )


def _groups(runs: Sequence[ModelRun]) -> list[list[ModelRun]]:
    """Models that are compiled together, in the order of coral.yml."""
    groups: dict[str, list[ModelRun]] = {}
    for item in runs:
        if item.config.edge_tpu.group is not None:
            groups.setdefault(item.config.edge_tpu.group, []).append(item)
    return list(groups.values())
