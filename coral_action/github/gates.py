"""Which gates hold in this run, and which of them the pull request changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from coral_action.config.policy import gate_changes, removed_gates, with_gates_of
from coral_action.config.schema import Config
from coral_action.errors import CoralQuantizeError, UsageError
from coral_action.github.api import GitHubApi
from coral_action.github.base_config import base_config
from coral_action.github.config_place import ConfigPlace
from coral_action.github.context import Context, PullRequest
from coral_action.report.gates import GateChangeData, GatesData

BASE = "base"


def gates_of(
    config: Config,
    policy: str,
    place: ConfigPlace,
    asked: tuple[GitHubApi, Context, PullRequest | None] | None,
    say: Callable[[str], None],
) -> tuple[Config, GatesData | None]:
    """The config that holds, and what the report says of its gates.

    Args:
        config: that of the checkout.
        policy: `head`, or `base`: then the gates are those of the base branch's coral.yml.
        place: where coral.yml is in the repository.
        asked: whom to ask, and the pull request, None where there is none; None without a token.
        say: for the log.

    Raises:
        CoralQuantizeError: with `base`, if the base branch's coral.yml can't be got, or has limits
            for a model that is gone, or has no coral.yml where the pull request has a link or a
            submodule.
    """
    if asked is None:
        if policy == BASE:
            raise UsageError(
                "policy: base has nobody to ask", hint="it needs the input `token`, on a runner"
            )
        return config, None
    api, context, pull = asked
    if pull is None:
        if policy == BASE and (context.pull_request or context.event in _OF_PULL_REQUESTS):
            raise UsageError("policy: base: the pull request could not be found")
        return config, None
    try:
        base = base_config(api, context, pull, place.path)
    except CoralQuantizeError as error:
        if policy == BASE:
            raise
        say(f"changes of limits are not shown: {error.message}")
        return config, None
    if base is None:
        say(f"{pull.base_branch} has no {place.path}: nothing to hold the limits against")
        return config, _of_new_file(policy, pull.base_branch, place)
    if policy == BASE and (gone := removed_gates(base, config)):
        raise UsageError(
            f"policy: base: {', '.join(gone)} has limits on {pull.base_branch} and is gone",
            hint="take its limits away there first, or merge with a maintainer's override",
        )
    changes = [GateChangeData(**asdict(change)) for change in gate_changes(base, config)]
    data = GatesData(policy="base" if policy == BASE else "head", changes=changes)
    return (with_gates_of(base, config) if policy == BASE else config), data


def _of_new_file(policy: str, branch: str, place: ConfigPlace) -> GatesData | None:
    """A base branch without limits has none that could be weakened, but people have to be told."""
    if policy != BASE:
        return None
    if place.detour:
        raise UsageError(
            f"policy: base: {branch} has no {place.path}, and {place.detour} leads to the one that "
            "is checked out: the limits that hold can't be told",
            hint="name the file itself in the input `config`, or make it a file of the repository",
        )
    return GatesData(policy="base", new_file=True)


_OF_PULL_REQUESTS = (
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "workflow_run",
    "merge_group",
)
