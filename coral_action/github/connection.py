"""A session with GitHub for commands that are started by hand or by a workflow's step."""

from __future__ import annotations

from collections.abc import Mapping

from coral_action.errors import UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.context import Context
from coral_action.github.token import Token


def connect(environment: Mapping[str, str], repository: str | None) -> tuple[GitHubApi, Context]:
    """A session, and the context with the repository that an option named.

    Raises:
        UsageError: if there is no token or no repository.
    """
    variables = dict(environment)
    if repository:
        variables["GITHUB_REPOSITORY"] = repository
    context = Context.from_environment(variables)
    if context is None:
        raise UsageError("which repository?", hint="name it with --repository owner/name")
    token = Token.from_environment(environment)
    if token is None:
        raise UsageError(
            "no GitHub token", hint="set GITHUB_TOKEN; in a workflow: ${{ github.token }}"
        )
    return GitHubApi(context.api_url, token, graphql_url=context.graphql_url), context
