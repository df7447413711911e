"""What a log shows while models are made, one after the other or together."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from coral_action.progress import LineProgress


def words(stream: io.StringIO) -> list[str]:
    """The lines without their times."""
    return [" ".join(line.split()[:2]) for line in stream.getvalue().splitlines()]


def test_lines_of_models_that_are_made_together_do_not_mix() -> None:
    stream = io.StringIO()

    @contextmanager
    def group(name: str) -> Iterator[None]:
        print(f"begin {name}", file=stream)
        yield
        print("end", file=stream)

    progress = LineProgress(stream, group, together=True)
    with progress.model("a"):
        with progress.stage("a", "loading"), progress.model("b"):
            with progress.stage("b", "loading"):
                pass
            progress.unchanged("b", "quantization")
        with progress.stage("a", "quantization"):
            pass
    assert words(stream) == [
        *("begin b", "b: loading", "b: quantization", "end"),
        *("begin a", "a: loading", "a: quantization", "end"),
    ]


def test_lines_of_a_model_that_fails_are_shown() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, together=True)
    with pytest.raises(ValueError, match="x"), progress.model("a"):
        with progress.stage("a", "loading"):
            pass
        raise ValueError("x")
    assert words(stream) == ["a: loading"]


def test_alone_lines_come_at_once() -> None:
    stream = io.StringIO()
    progress = LineProgress(stream)
    with progress.model("a"):
        progress.unchanged("a", "loading")
        assert stream.getvalue() == "a: loading unchanged, from cache\n"


def test_a_stage_outside_of_a_model_is_shown() -> None:
    """Groups are compiled when all models are done."""
    stream = io.StringIO()
    progress = LineProgress(stream, together=True)
    with progress.stage("a", "compilation"):
        pass
    assert words(stream) == ["a: compilation"]
