"""Commands that a step of a workflow may start load no model where the action would not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click

untrusted_option = click.option(
    "--allow-untrusted-checkout",
    is_flag=True,
    help="On pull_request_target, workflow_run and issue_comment, load models of a stranger's pull "
    "request.",
)


def require_trusted(folders: Iterable[Path], workspace: Path | None, *, allowed: bool) -> None:
    """Refuse a stranger's commit on an event whose token can write.

    Args:
        folders: of coral.yml or of models. What lies outside of the workspace is judged by it.
        workspace: None: the runner's, else each folder itself.
        allowed: `--allow-untrusted-checkout`.

    Raises:
        UsageError: unless every checkout is the repository's own, for certain.
    """
    if not os.environ.get("GITHUB_EVENT_NAME"):
        return  # no runner: nothing needs to be imported
    from coral_action.github.checkout import require_trusted_checkout

    named = workspace or os.environ.get("GITHUB_WORKSPACE") or None
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        root = Path(named).resolve() if named else folder
        inside = folder if folder.is_relative_to(root) else root
        require_trusted_checkout(os.environ, root, inside, allowed=allowed)
