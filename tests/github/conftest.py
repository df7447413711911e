"""The stand-in server, and a client that waits for nobody."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # tests/fakes

from fakes.github_server import GitHubServer
from fakes.github_state import TOKEN

from coral_action.github.api import GitHubApi
from coral_action.github.clock import Clock
from coral_action.github.token import Token


class TestClock(Clock):
    """A clock that jumps ahead instead of waiting, and remembers how far."""

    __test__ = False

    def __init__(self) -> None:
        self.time = 1_800_000_000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def jitter(self) -> float:
        return 0.5


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    """A fresh GitHub; a request that it does not know fails the test."""
    with GitHubServer().running() as running:
        yield running
        assert running.unknown == []


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


Connect = Callable[..., GitHubApi]


@pytest.fixture
def api(server: GitHubServer, clock: TestClock) -> GitHubApi:
    return GitHubApi(server.url, Token(TOKEN), clock=clock, timeout=(2.0, 0.5))
