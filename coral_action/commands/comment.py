"""`coral-quantize comment`: put a report on its pull request, from another workflow or by hand."""

from __future__ import annotations

import os
from pathlib import Path

import click

from coral_action.echo import echo


@click.command()
@click.option(
    "--from-artifact",
    "artifact",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="report.json as another job made it; nothing but figures and names is taken from it.",
)
@click.option("--repository", help="As owner/name.  [default: $GITHUB_REPOSITORY]")
@click.option(
    "--pull-request",
    "number",
    type=click.IntRange(1),
    help="Its number.  [default: found by the API for the run that started this workflow]",
)
@click.option(
    "--comment-key",
    "key",
    default="default",
    show_default=True,
    help="Reports with the same key share a comment.",
)
@click.option(
    "--mode",
    type=click.Choice(["update", "recreate"]),
    default="update",
    show_default=True,
    help="Change the comment, or write a new one and fold the old one away.",
)
def comment(
    artifact: Path, repository: str | None, number: int | None, key: str, mode: str
) -> None:
    """Comment on a pull request with the report in a JSON file.

    The token is taken from $GITHUB_TOKEN. In a workflow that a run of another one started
    (`workflow_run`), the pull request is the open one whose head that run checked.

    Example: coral-quantize comment --from-artifact coral-output/report.json
    """
    from coral_action.github.artifact import comment_from_artifact

    outcome = comment_from_artifact(
        artifact, os.environ, repository=repository, number=number, key=key, mode=mode
    )
    echo(f"comment: {outcome.action} {outcome.url}".rstrip())
