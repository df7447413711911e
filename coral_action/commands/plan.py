"""`coral-quantize plan`: share the models of a coral.yml out over the jobs of a matrix."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.commands.options import (
    changed_files_option,
    config_option,
    workspace_option,
)
from coral_action.counts import plural
from coral_action.echo import echo_json


@click.command()
@config_option
@click.option(
    "--max-jobs",
    type=click.IntRange(1, 256),
    default=20,
    show_default=True,
    help="How many jobs there may be; GitHub takes 256 in one matrix.",
)
@click.option(
    "--min-seconds",
    type=click.FloatRange(1),
    default=120.0,
    show_default=True,
    help="What a job may take in any case: nothing is cut, and no job opened, to be faster.",
)
@click.option(
    "--make-once",
    is_flag=True,
    help="Shards take a model that a job before them made, as processors round differently.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier report.json: its times, and what changed since; changed models come first.",
)
@click.option(
    "--changed-since",
    "reference",
    metavar="REF",
    help="Leave models out of which no file changed since this commit of Git and which --baseline "
    "has; `merge` takes them from there.",
)
@changed_files_option
@click.option(
    "--compiler",
    help="As the jobs' --compiler, such as `none`: results of the baseline that were made the "
    "other way are then not kept.",
)
@workspace_option
@untrusted_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the whole plan, which `merge --plan` takes.",
)
@click.option(
    "--github-output",
    is_flag=True,
    help="Also set the outputs matrix, jobs, evaluate-matrix and evaluate-jobs of this step.",
)
def plan(
    config: Path,
    max_jobs: int,
    min_seconds: float,
    make_once: bool,
    baseline: Path | None,
    reference: str | None,
    changed_files: Path | None,
    compiler: str | None,
    workspace: Path | None,
    allow_untrusted_checkout: bool,
    output: Path | None,
    github_output: bool,
) -> None:
    """Print the jobs for all models as JSON, as `strategy.matrix` takes it.

    Each job runs `coral-quantize run` with its `arguments`; `merge` joins what they write. Small
    models share a job, and large evaluations are cut into shards, by the times in the baseline or
    else by the sizes of files.

    Example: coral-quantize plan --max-jobs 10 --output plan.json
    """
    import json
    import os
    import sys

    from coral_action.config.lines import model_lines
    from coral_action.config.loader import load_config
    from coral_action.config.paths import PathRules
    from coral_action.errors import UsageError
    from coral_action.github.runner import Runner
    from coral_action.output_files import write_named
    from coral_action.report.model import Report
    from coral_action.scale import find_changes, make_plan, unchanged
    from coral_action.scale.plan_file import matrix

    folder = config.resolve().parent
    require_trusted([folder], workspace, allowed=allow_untrusted_checkout)
    loaded = load_config(config)
    paths = PathRules(folder, workspace)
    earlier = Report.read(baseline) if baseline is not None else None
    changes = find_changes(config, reference, changed_files)
    carried: frozenset[str] = frozenset()
    if earlier is not None and changes is not None:
        compiled = None if compiler is None else compiler != "none"
        carried = unchanged(loaded, paths, changes, earlier, compiled=compiled)
    made = make_plan(
        loaded,
        paths,
        baseline=earlier,
        carried=carried,
        lines=model_lines(config),
        config_file=config.name if config.is_absolute() else config.as_posix(),
        max_jobs=max_jobs,
        shortest=min_seconds,
        make_once=make_once,
    )
    if output is not None:
        try:
            write_named(output, json.dumps(made.to_json(), indent=2) + "\n")
        except OSError as error:
            raise UsageError(f"{output}: can't be written: {error.strerror}") from error
    if github_output:
        Runner(os.environ, sys.stderr).write_outputs(
            {
                "matrix": json.dumps(matrix(made.jobs)),
                "jobs": str(len(made.jobs)),
                "evaluate-matrix": json.dumps(matrix(made.evaluate)),
                "evaluate-jobs": str(len(made.evaluate)),
            }
        )
    echo_json(matrix(made.jobs))
    longest = max((job.seconds for job in (*made.jobs, *made.evaluate)), default=0.0)
    click.echo(
        f"{plural(len(made.jobs) + len(made.evaluate), 'job')}, the longest of about "
        f"{longest:.0f} s; {len(carried)} of {plural(len(made.models), 'model')} carried over",
        err=True,
    )
