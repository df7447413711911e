"""`coral-quantize release`: upload what a run made to a GitHub release."""

from __future__ import annotations

import os
from pathlib import Path

import click

from coral_action.echo import echo


@click.command()
@click.argument("files", type=click.Path(path_type=Path, dir_okay=False), nargs=-1)
@click.option("--tag", required=True, help="Of the release; it is made if there is none.")
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="report.json of the run: it and the models that it names are uploaded, too.",
)
@click.option("--repository", help="As owner/name.  [default: $GITHUB_REPOSITORY]")
@click.option("--commit", default="", help="Where a new tag is to be made.")
def release(
    files: tuple[Path, ...],
    tag: str,
    report_path: Path | None,
    repository: str | None,
    commit: str,
) -> None:
    """Upload FILES to the release of a tag, with SHA256SUMS and a table in its notes.

    Files that are there already are left alone; others are replaced without ever being missing.
    The token is taken from $GITHUB_TOKEN.

    Example: coral-quantize release --tag v1.2.0 --report out/report.json labels.txt
    """
    from coral_action.errors import UsageError
    from coral_action.github.connection import connect
    from coral_action.github.outputs import made_files
    from coral_action.github.release import ReleaseWriter
    from coral_action.github.release_notes import report_copy
    from coral_action.report.model import Report

    report = Report.read(report_path) if report_path else None
    paths = list(files)
    if report and report_path:
        # The paths in a report are those of the folder where `run` was started.
        paths += [path for name in made_files(report) if (path := Path(name)) not in files]
        paths.append(report_copy(report_path))
    if not paths:
        raise UsageError("nothing to upload", hint="name files, or a --report")
    api, context = connect(os.environ, repository)
    writer = ReleaseWriter(
        api, context.repository, tag, commit=commit, server_url=context.server_url
    )
    outcome = writer.publish(paths, report)
    echo(f"uploaded: {', '.join(outcome.uploaded) or 'nothing new'}")
    echo(f"{'draft' if outcome.is_draft else 'release'}: {outcome.url}")
