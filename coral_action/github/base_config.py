"""The base branch's own coral.yml, asked from GitHub: what is checked out may be changed."""

from __future__ import annotations

import base64
from urllib.parse import quote

from coral_action.config.loader import parse_config
from coral_action.config.schema import Config
from coral_action.config.yaml_source import MAX_BYTES
from coral_action.errors import ConfigError, GitHubError
from coral_action.github.api import GitHubApi
from coral_action.github.context import Context, PullRequest
from coral_action.github.faults import ApiError, Reason


def base_config(api: GitHubApi, context: Context, pull: PullRequest, path: str) -> Config | None:
    """The coral.yml at the tip of the branch that a pull request goes into.

    Args:
        api: a session that may read the contents of the repository.
        context: the job.
        pull: the pull request.
        path: where coral.yml is in the repository, with slashes.

    Returns:
        The config; None if that branch has no such file.

    Raises:
        ApiError: if GitHub can't be asked.
        ConfigError, GitHubError: if what is there is no coral.yml.
    """
    repository = f"/repos/{context.repository}"
    branch = pull.base_branch
    try:
        found = api.get(f"{repository}/contents/{quote(path)}", ref=branch)
    except ApiError as error:
        if error.reason is not Reason.NOT_FOUND:
            raise
        # A token that may not read is told "not found" as well: that must not pass for "no file".
        api.get(f"{repository}/commits", sha=branch, per_page=1)
        return None
    named = f"{path} of {branch}"
    # Some 1 MB and above, GitHub leaves the content out; a folder is a list.
    if not isinstance(found, dict) or found.get("type") != "file" or "content" not in found:
        raise GitHubError(f"{named}: no file that GitHub shows")
    content = base64.b64decode(str(found["content"]))
    if len(content) > MAX_BYTES or found.get("encoding") != "base64":
        raise GitHubError(f"{named}: larger than {MAX_BYTES:,} bytes")
    try:
        return parse_config(content.decode("utf-8"), named)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{named}: not UTF-8 text") from error
