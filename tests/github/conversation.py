"""What tests of the comment share: publish as a job does, and see what is there."""

from __future__ import annotations

import dataclasses

from fakes.github_server import GitHubServer
from fakes.github_state import BOT

from coral_action.github import comment_body
from coral_action.github.api import GitHubApi
from coral_action.github.comment import CommentWriter, Outcome
from coral_action.github.comment_body import Section
from coral_action.github.context import Context, PullRequest

CONTEXT = Context("octo/models", commit="a" * 40, workflow="coral", job="build", run=100)


def say(
    api: GitHubApi,
    text: str = "all well",
    mode: str = "update",
    key: str = "default",
    part: str = "",
    **changes: object,
) -> Outcome:
    """Publish as a job with this context does."""
    context = dataclasses.replace(CONTEXT, **changes)  # type: ignore[arg-type]
    pull = PullRequest.from_json(api.get("/repos/octo/models/pulls/7"))
    writer = CommentWriter(api, "octo/models", pull, key)
    return writer.publish(Section.of(context, part), lambda limit: text[:limit], mode)


def ours(server: GitHubServer, key: str = "default") -> list[str]:
    """The bodies that carry our marker and are by us."""
    return [
        c["body"]
        for c in server.state.comments.values()
        if comment_body.is_ours(c["body"], key) and c["user"]["login"] == BOT
    ]
