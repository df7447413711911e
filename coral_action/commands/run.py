"""`coral-quantize run`: the main job."""

from __future__ import annotations

import os
from pathlib import Path

import click

from coral_action.console import Settings


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("coral.yml"),
    show_default=True,
    help="What to do; paths in it are relative to its folder.",
)
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
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GITHUB_WORKSPACE",
    help="Folder that no path in the config may leave. [default: $GITHUB_WORKSPACE, else none]",
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Models at once."
)
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
    jobs: int,
    baseline: Path | None,
    allow_custom_code: bool,
    as_json: bool,
    quiet: bool,
) -> int:
    """Quantize the models of a coral.yml, compile and evaluate them, and write a report.

    Example: coral-quantize run --config coral.yml --output out --compiler none
    """
    from rich.console import Console

    from coral_action.config import load_config
    from coral_action.config.paths import PathRules
    from coral_action.console import choose_progress, describe
    from coral_action.edgetpu import find_compiler
    from coral_action.pipeline import RunOptions
    from coral_action.pipeline import run as run_pipeline
    from coral_action.report.baseline import with_baseline
    from coral_action.report.files import write_report
    from coral_action.report.formats import render_json
    from coral_action.report.model import Report
    from coral_action.report.terminal import print_report

    loaded = load_config(config)
    options = RunOptions(
        output=output,
        paths=PathRules(config.resolve().parent, workspace),
        models=models,
        compiler=find_compiler(compiler, os.environ),
        jobs=jobs,
        allow_custom_code=allow_custom_code,
        config_file=config,
    )
    earlier = Report.read(baseline) if baseline is not None else None
    report, errors = run_pipeline(loaded, options, choose_progress(quiet=quiet))
    if earlier is not None:
        report = with_baseline(report, earlier)
    write_report(report, output)
    for name, error in errors.items():
        click.echo(describe(error, debug=settings.debug, name=name), err=True)
    if as_json:
        click.echo(render_json(report), nl=False)
    elif not quiet:
        print_report(report, Console())
        click.echo(f"report: {output / 'report.html'}, {output / 'report.md'}")
    return report.exit_code
