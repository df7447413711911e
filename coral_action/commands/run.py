"""`coral-quantize run`: the main job."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.commands.options import (
    changed_files_option,
    config_option,
    workspace_option,
)
from coral_action.console import Settings
from coral_action.echo import echo_document, echo_limits


def _jobs(context: click.Context, parameter: click.Parameter, value: str) -> int | None:
    """`auto`, or a number above 0."""
    if value == "auto":
        return None
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise click.BadParameter("it is `auto` or a whole number above 0")
    return int(value)


@click.command()
@config_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("coral-output"),
    show_default=True,
    help="Folder for the models and the report.",
)
@click.option("--model", "models", multiple=True, help="Only this model; can be repeated.")
@click.option(
    "--compiler",
    help="Path of edgetpu_compiler, or `none` to predict the placement instead. "
    "[default: $EDGETPU_COMPILER, else edgetpu_compiler on PATH]",
)
@workspace_option
@click.option(
    "--jobs",
    default="auto",
    show_default=True,
    callback=_jobs,
    help="Models at once; auto: as many as cores and free memory allow.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Evaluate only every N-th sample, from the I-th on, for `merge` to join; 0/N only makes "
    "the model.",
)
@click.option(
    "--quantized",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Output folder of an earlier run: its int8 models are evaluated, none is made.",
)
@click.option(
    "--changed-since",
    "reference",
    metavar="REF",
    help="Run only models of which a file changed since this commit of Git; the others are taken "
    "from --baseline, and run where it does not have them.",
)
@changed_files_option
@click.option(
    "--cache",
    envvar="CORAL_QUANTIZE_CACHE",
    help="Folder that keeps results: what is unchanged is not made again. `none` keeps nothing. "
    "[default: $CORAL_QUANTIZE_CACHE, else coral-quantize in the user's cache folder]",
)
@click.option("--no-cache", is_flag=True, help="Make everything anew and keep nothing.")
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier report.json; the report then says what changed.",
)
@click.option(
    "--allow-custom-code",
    is_flag=True,
    help="Let Python functions named in the config, and code in Keras files, run.",
)
@untrusted_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, for machines.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.pass_obj
def run(
    settings: Settings,
    config: Path,
    output: Path,
    models: tuple[str, ...],
    compiler: str | None,
    workspace: Path | None,
    jobs: int | None,
    shard: str | None,
    quantized: Path | None,
    reference: str | None,
    changed_files: Path | None,
    cache: str | None,
    no_cache: bool,
    baseline: Path | None,
    allow_custom_code: bool,
    allow_untrusted_checkout: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Quantize the models of a coral.yml, compile and evaluate them, and write a report.

    Example: coral-quantize run --config coral.yml --output out --compiler none
    """
    from coral_action.cache import cache_folder
    from coral_action.config.loader import load_config
    from coral_action.config.paths import PathRules
    from coral_action.console import choose_progress, describe
    from coral_action.edgetpu import find_compiler
    from coral_action.evaluation import Shard
    from coral_action.interruption import interruptible
    from coral_action.pipeline import RunOptions, models_at_once
    from coral_action.pipeline import run as run_pipeline
    from coral_action.report.files import write_report
    from coral_action.report.model import Report

    folder = config.resolve().parent
    require_trusted([folder], workspace, allowed=allow_untrusted_checkout)
    loaded = load_config(config)
    options = RunOptions(
        output=output,
        paths=PathRules(folder, workspace),
        models=models,
        compiler=find_compiler(compiler, os.environ),
        jobs=jobs,
        allow_custom_code=allow_custom_code,
        shard=Shard.parse(shard) if shard is not None else None,
        quantized=quantized,
        config_file=config,
        cache=None if no_cache else cache_folder(cache, os.environ),
    )
    earlier = Report.read(baseline) if baseline is not None else None
    if reference is not None or changed_files is not None:
        from coral_action.scale import find_changes, unchanged

        changes = find_changes(config, reference, changed_files)
        if earlier is not None and changes is not None:
            compiled = options.compiler is not None
            same = unchanged(loaded, options.paths, changes, earlier, compiled=compiled)
            options = replace(options, skip=same & frozenset(models) if models else same)
    together = models_at_once(jobs, len(models or loaded.models)) > 1
    progress = choose_progress(quiet=quiet, together=together)
    with interruptible() as interruption:
        report, errors = run_pipeline(loaded, options, progress)
    if earlier is not None:
        from coral_action.report.baseline import with_baseline
        from coral_action.scale import carry_over

        report = with_baseline(carry_over(report, earlier, options.skip, config), earlier)
    write_report(report, output)
    for name, error in errors.items():
        click.echo(describe(error, debug=settings.debug, name=name), err=True)
    if as_json:
        from coral_action.report.formats import render_json

        echo_document(render_json(report), kind="json")
    elif not quiet:
        from rich.console import Console

        from coral_action.report.terminal import print_report

        print_report(report, Console())
        click.echo(f"report: {output / 'report.html'}, {output / 'report.md'}")
    else:
        echo_limits(report)
    return interruption.exit_code or report.exit_code
