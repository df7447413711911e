"""Options that several commands take, in the same words."""

from __future__ import annotations

from pathlib import Path

import click

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=Path("coral.yml"),
    show_default=True,
    help="What to do; paths in it are relative to its folder.",
)
workspace_option = click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="GITHUB_WORKSPACE",
    help="Folder that no path in the config may leave. [default: $GITHUB_WORKSPACE, else none]",
)
changed_files_option = click.option(
    "--changed-files",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="The same by a list, as `git diff --name-only -z` writes it in the top folder.",
)
