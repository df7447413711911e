"""`coral-quantize report`: show a report.json again, without computing anything."""

from __future__ import annotations

import json
from pathlib import Path

import click

FORMATS = ("terminal", "markdown", "html", "json")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--format", "format_", type=click.Choice(FORMATS), default="terminal", show_default=True
)
def report(file: Path, format_: str) -> None:
    """Render FILE, a report.json, on standard output.

    Example: coral-quantize report out/report.json --format markdown
    """
    from coral_action.report.model import Report

    loaded = Report.read(file)
    if format_ == "markdown":
        from coral_action.report import markdown

        click.echo(markdown.render(loaded), nl=False)
    elif format_ == "html":
        from coral_action.report import html

        click.echo(html.render(loaded), nl=False)
    elif format_ == "json":
        click.echo(json.dumps(loaded.to_json(), indent=2, ensure_ascii=False))
    else:
        from rich.console import Console

        from coral_action.report.terminal import print_report

        print_report(loaded, Console())
