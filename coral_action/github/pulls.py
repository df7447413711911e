"""The pull request of a job, asked from the API where the event does not hold it."""

from __future__ import annotations

from collections.abc import Iterable

from coral_action.github.api import GitHubApi
from coral_action.github.context import Context, PullRequest, Search
from coral_action.github.faults import ApiError, Reason


def find_pull_request(api: GitHubApi, context: Context) -> PullRequest | None:
    """The pull request that a job is about; None where there is none.

    Raises:
        ApiError: if GitHub can't be asked.
    """
    if context.pull_request is not None:
        return context.pull_request
    search = context.search
    if search is None:
        return None
    if search.number is not None:
        return get_pull_request(api, context.repository, search.number)
    return _choose(search, _candidates(api, context, search))


def get_pull_request(api: GitHubApi, repository: str, number: int) -> PullRequest | None:
    """A pull request by number; None if there is none with it."""
    try:
        return PullRequest.from_json(api.get(f"/repos/{repository}/pulls/{number}"))
    except ApiError as error:
        if error.reason is Reason.NOT_FOUND:
            return None
        raise


def _candidates(api: GitHubApi, context: Context, search: Search) -> Iterable[PullRequest]:
    path = f"/repos/{context.repository}"
    if search.branch:
        found = api.pages(f"{path}/pulls", state="open", head=search.branch)
    else:
        found = api.pages(f"{path}/commits/{search.commit}/pulls")
    for data in found:
        # A `head` that GitHub does not understand is ignored, and all pull requests come back.
        label = str(data["head"].get("label")).lower()
        ours = data["base"]["repo"]["full_name"].lower() == context.repository.lower()
        if ours and search.branch.lower() in ("", label):
            yield PullRequest.from_json(data)


def _choose(search: Search, candidates: Iterable[PullRequest]) -> PullRequest | None:
    """The open one that fits; of several, the oldest."""
    fitting = [
        pull
        for pull in candidates
        if pull.is_open
        and search.head_commit in ("", pull.head_commit)
        and (search.commit in ("", pull.head_commit, pull.merge_commit))
    ]
    return min(fitting, key=lambda pull: pull.number, default=None)
