"""Where and why a job runs, from the runner's environment and its event file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.errors import UsageError
from coral_action.github.api import PUBLIC_API

_PULL_REQUEST_EVENTS = (
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
)
_QUEUE = re.compile(r"(?:^|/)gh-readonly-queue/.+/pr-(\d+)-[0-9a-f]{7,64}$")
_DEPENDABOT = "dependabot[bot]"


@dataclass(frozen=True)
class PullRequest:
    """A pull request, as an event or the API tells of it."""

    number: int
    head_commit: str
    base_branch: str
    base_commit: str
    from_fork: bool
    merge_commit: str = ""
    is_open: bool = True
    locked: bool = False

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PullRequest:
        """From GitHub's JSON; the repository of a deleted fork is null."""
        head, base = data["head"], data["base"]
        head_name = (head.get("repo") or {}).get("full_name")
        return cls(
            number=int(data["number"]),
            head_commit=str(head["sha"]),
            base_branch=str(base["ref"]),
            base_commit=str(base["sha"]),
            from_fork=head_name != base["repo"]["full_name"],
            merge_commit=str(data.get("merge_commit_sha") or ""),
            is_open=data.get("state", "open") == "open",
            locked=bool(data.get("locked")),
        )


@dataclass(frozen=True)
class Search:
    """How to find the pull request by the API, where the event does not hold it.

    `number` where it is known, else the branch as `owner:name`, else the commit. With
    `head_commit`, only a pull request that still has it at its head will do.
    """

    number: int | None = None
    branch: str = ""
    commit: str = ""
    head_commit: str = ""


@dataclass(frozen=True)
class Context:
    """One job on a runner. `commit` is the one that checks belong to, not a test merge."""

    repository: str
    event: str = ""
    commit: str = ""
    default_branch: str = ""
    workflow: str = ""
    job: str = ""
    run: int = 0
    attempt: int = 1
    server_url: str = "https://github.com"
    api_url: str = PUBLIC_API
    graphql_url: str = ""
    pull_request: PullRequest | None = None
    search: Search | None = None
    # Whether GitHub gives such a job a token that can't write: from a fork, or by Dependabot.
    token_is_read_only: bool = False

    @property
    def owner(self) -> str:
        """The owner of the repository."""
        return self.repository.split("/")[0]

    @property
    def run_url(self) -> str:
        """The page of this run; empty outside of one."""
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run}" if self.run else ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Context | None:
        """The context of this job; None outside of a runner.

        Raises:
            UsageError: if the variables or the event file of the runner make no sense.
        """
        repository = environment.get("GITHUB_REPOSITORY", "")
        if not repository:
            return None
        if not re.fullmatch(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+", repository):
            raise UsageError(f"GITHUB_REPOSITORY: {repository!r} is not owner/name")
        event = read_event(environment.get("GITHUB_EVENT_PATH", ""))
        name = environment.get("GITHUB_EVENT_NAME", "")
        commit = environment.get("GITHUB_SHA", "")
        try:
            pull_request, search = _pull_request_of(name, event, commit, repository)
            commit = _commit_of(name, event, commit, pull_request)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(f"the event file is no {name} event: {error!r}") from error
        api_url = environment.get("GITHUB_API_URL") or PUBLIC_API
        from_fork = pull_request is not None and pull_request.from_fork
        # With pull_request_target and workflow_run a fork's job has the repository's own rights.
        read_only = name not in ("pull_request_target", "workflow_run") and (
            from_fork or environment.get("GITHUB_ACTOR") == _DEPENDABOT
        )
        return cls(
            repository=repository,
            event=name,
            commit=commit,
            default_branch=(event.get("repository") or {}).get("default_branch") or "",
            workflow=environment.get("GITHUB_WORKFLOW", ""),
            job=environment.get("GITHUB_JOB", ""),
            run=_whole(environment, "GITHUB_RUN_ID", 0),
            attempt=_whole(environment, "GITHUB_RUN_ATTEMPT", 1),
            server_url=(environment.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"),
            api_url=api_url.rstrip("/"),
            graphql_url=environment.get("GITHUB_GRAPHQL_URL") or _graphql_of(api_url),
            pull_request=pull_request,
            search=search,
            token_is_read_only=read_only,
        )


def read_event(path: str) -> dict[str, Any]:
    """The event that started the job; empty where there is no such file.

    Raises:
        UsageError: if the file can't be read.
    """
    if not path:
        return {}
    try:
        event = json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UsageError(f"the event file {path} can't be read: {error}") from error
    if not isinstance(event, dict):
        raise UsageError(f"the event file {path} holds no JSON object")
    return event


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "")
    return int(value) if value.isdecimal() else default


def _graphql_of(api_url: str) -> str:
    """On an Enterprise Server, REST is at /api/v3 and GraphQL at /api/graphql."""
    return re.sub(r"/api/v3$", "/api", api_url.rstrip("/")) + "/graphql"


def _pull_request_of(
    name: str, event: Mapping[str, Any], commit: str, repository: str
) -> tuple[PullRequest | None, Search | None]:
    """The pull request that an event is about, or how to look for it; neither where none is."""
    owner = repository.split("/")[0]
    ref = str(event.get("ref") or "")
    if name in _PULL_REQUEST_EVENTS and "pull_request" in event:
        data = event["pull_request"]
        # Reviews carry a shorter form, without the state of the conversation.
        return PullRequest.from_json({"number": event.get("number"), **data}), None
    if name == "push" and ref.startswith("refs/heads/") and not event.get("deleted"):
        return None, Search(commit=commit)
    if name == "issue_comment" and "pull_request" in (event.get("issue") or {}):
        return None, Search(number=int(event["issue"]["number"]))
    if name == "workflow_run":
        return None, _search_of_run(event["workflow_run"])
    if name == "workflow_dispatch" and ref.startswith("refs/heads/"):
        return None, Search(branch=f"{owner}:{ref.removeprefix('refs/heads/')}")
    if name == "merge_group":
        queued = _QUEUE.search(str(event["merge_group"].get("head_ref")))
        return None, Search(number=int(queued[1])) if queued else None
    return None, None  # release, schedule: not about a pull request


def _search_of_run(run: Mapping[str, Any]) -> Search | None:
    """For the run of another workflow; its list of pull requests is empty for forks."""
    if run.get("event") not in ("pull_request", "pull_request_target", "push"):
        return None
    repository = run.get("head_repository") or {}
    owner = (repository.get("owner") or {}).get("login")
    if not owner or not run.get("head_branch"):
        return None
    return Search(branch=f"{owner}:{run['head_branch']}", head_commit=str(run["head_sha"]))


def _commit_of(
    name: str, event: Mapping[str, Any], commit: str, pull_request: PullRequest | None
) -> str:
    """The commit whose page shows the checks."""
    if pull_request is not None:
        return pull_request.head_commit
    if name == "workflow_run":
        return str(event["workflow_run"]["head_sha"])
    return commit
