"""Two and more jobs that write the same comment at once end with one comment that has them all."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

import pytest
from fakes.github_server import GitHubServer
from fakes.github_state import TOKEN

from coral_action.github import comment_body
from coral_action.github.api import GitHubApi
from coral_action.github.clock import Clock
from coral_action.github.comment import CommentWriter
from coral_action.github.comment_body import Section
from coral_action.github.context import Context, PullRequest
from coral_action.github.token import Token

SPEED = 25  # a second of the program is 40 ms here
LATENCY = 0.02  # seconds each way at most: half a second of the program


def latency(seed: int) -> Callable[[], float]:
    """Most requests are quick and some slow: that makes writers overtake each other."""
    order = random.Random(seed)
    return lambda: LATENCY * (order.random() if order.random() < 0.3 else order.random() / 10)


class FastClock(Clock):
    """Real time, faster, with reproducible jitter."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def monotonic(self) -> float:
        return time.monotonic() * SPEED

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / SPEED)

    def jitter(self) -> float:
        return self._random.random()


def write(
    server: GitHubServer, job: str, seed: int, start: threading.Barrier | None = None
) -> None:
    api = GitHubApi(server.url, Token(TOKEN), clock=FastClock(seed))
    run = 1 if start is None else 2
    context = Context("octo/models", commit=str(run) * 40, workflow="coral", job=job, run=run)
    pull = PullRequest.from_json(server.state.pulls[7])
    if start is not None:
        start.wait(5)
        time.sleep(random.Random(seed).random() * LATENCY)
    writer = CommentWriter(api, "octo/models", pull, "default")
    writer.publish(Section.of(context, ""), lambda limit: f"run {run} of {job}")


@pytest.mark.parametrize("seed", range(20))
def test_two_writers(server: GitHubServer, seed: int) -> None:
    server.state.add_pull(7)
    existing = seed % 2 == 1
    if existing:
        for job in ("one", "two"):
            write(server, job, seed)
    server.latency = latency(seed)
    race(server, ["one", "two"], seed)


@pytest.mark.parametrize("seed", range(2))
def test_five_writers(server: GitHubServer, seed: int) -> None:
    server.state.add_pull(7)
    server.latency = latency(seed)
    race(server, ["one", "two", "three", "four", "five"], seed)


def race(server: GitHubServer, jobs: list[str], seed: int) -> None:
    barrier = threading.Barrier(len(jobs))
    failures: list[BaseException] = []

    def job(name: str, number: int) -> None:
        try:
            write(server, name, seed * 10 + number, barrier)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=job, args=(n, i)) for i, n in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []
    (comment,) = server.state.comments.values()
    sections = comment_body.parse(comment["body"])
    assert sorted(s.text for s in sections) == sorted(f"run 2 of {name}" for name in jobs)
    assert comment_body.is_ours(comment["body"], "default")


def test_the_race_is_one(server: GitHubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without looking back after a write, the same races lose sections: they are real."""
    monkeypatch.setattr(CommentWriter, "_is_still_there", lambda *_: True)
    lost = 0
    for seed in range(1, 200, 2):
        server.state.comments.clear()
        server.state.add_pull(7)
        server.latency = None
        for job in ("one", "two"):
            write(server, job, seed)
        server.latency = latency(seed)
        try:
            race(server, ["one", "two"], seed)
        except AssertionError:
            lost = 1
            break
    assert lost == 1
