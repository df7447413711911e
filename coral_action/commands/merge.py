"""`coral-quantize merge`: join the reports of several jobs."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.commands.options import workspace_option
from coral_action.console import Settings
from coral_action.echo import echo, echo_limits


@click.command()
@click.argument("reports", type=click.Path(path_type=Path, exists=True), nargs=-1)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("coral-output"),
    show_default=True,
    help="Folder for the joined report and the models.",
)
@click.option(
    "--plan",
    "plan_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="What `plan --output` wrote: a model without a report has then failed.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The report.json that `plan` got: unchanged models are taken from it, and the report says "
    "what changed.",
)
@workspace_option
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.pass_obj
def merge(
    settings: Settings,
    reports: tuple[Path, ...],
    output: Path,
    plan_path: Path | None,
    baseline: Path | None,
    workspace: Path | None,
    quiet: bool,
) -> int:
    """Join REPORTS into one, as a single run's: files, folders, or a folder with one for each job.

    Models come in the order of coral.yml. Shards of a model are scored together: the same figures
    as in one run. Exit codes are those of `run`; a model fails (3) of which a shard is missing,
    there twice, or made from another int8 model, and reports that don't belong together are
    refused (2).

    Example: coral-quantize merge parts --plan plan.json --output out
    """
    from rich.console import Console

    from coral_action.console import describe
    from coral_action.errors import UsageError
    from coral_action.output_folder import require_free
    from coral_action.report.baseline import with_baseline
    from coral_action.report.files import write_report
    from coral_action.report.model import Report
    from coral_action.report.terminal import print_report
    from coral_action.scale import Plan, read_partials
    from coral_action.scale import merge as merge_partials

    partials = read_partials(reports)
    if workspace is not None:
        require_free(output, workspace, {m.name for p in partials for m in p.report.models})
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output}: can't be made: {error.strerror}") from error
    earlier = Report.read(baseline) if baseline is not None else None
    report, errors = merge_partials(
        partials,
        output,
        plan=Plan.read(plan_path) if plan_path is not None else None,
        baseline=earlier,
    )
    if earlier is not None:
        report = with_baseline(report, earlier)
    write_report(report, output)
    for name, failure in errors.items():
        click.echo(describe(failure, debug=settings.debug, name=name), err=True)
    if not quiet:
        print_report(report, Console())
        click.echo(f"report: {output / 'report.html'}, {output / 'report.md'}")
    else:
        for model in report.models:
            if model.error is not None and model.name not in errors:  # its job said so, elsewhere
                echo(f"error: {model.name}: {model.error.message}", err=True)
        echo_limits(report)
    return report.exit_code
