"""`coral-quantize report`: show a report.json again, without computing anything."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.echo import echo_document
from coral_action.report.formats import FORMATS


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="terminal",
    show_default=True,
    help="`comment` is the Markdown shortened to what GitHub takes as a comment.",
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, dir_okay=False),
    help="An earlier report.json to compare with.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write instead of standard output.",
)
def report(file: Path, format_: str, baseline: Path | None, output: Path | None) -> None:
    """Render FILE, a report.json.

    Example: coral-quantize report out/report.json --format sarif --output coral.sarif
    """
    from coral_action.errors import UsageError
    from coral_action.output_files import write_named
    from coral_action.report.baseline import with_baseline
    from coral_action.report.formats import renderer
    from coral_action.report.model import Report

    loaded = Report.read(file)
    if baseline is not None:
        loaded = with_baseline(loaded, Report.read(baseline))
    if format_ == "terminal" and output is None:
        from rich.console import Console

        from coral_action.report.terminal import print_report

        print_report(loaded, Console())
        return
    text = renderer(format_)(loaded)
    if output is None:
        echo_document(text, kind=format_)
        return
    try:
        write_named(output, text)
    except OSError as error:
        raise UsageError(f"{output}: can't be written: {error.strerror}") from error
