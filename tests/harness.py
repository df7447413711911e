"""What tests share beside fixtures: how a command is started and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


Command = Callable[..., Finished]


@dataclass(frozen=True)
class DemoRun:
    """The main job on the example, run once for all tests that look at its result.

    `cache` is what it left in a cache that was empty: tests copy it.
    """

    output: Path
    cache: Path
    finished: Finished
    report: dict[str, Any]


def runner_environment(
    workspace: object, output: object, summary: object, inputs: Mapping[str, str]
) -> dict[str, str]:
    """The variables that GitHub's runner sets for an action, of those that anybody reads.

    Hyphens stay in the names of inputs, as the runner keeps them.
    """
    return {
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(workspace),
        "GITHUB_OUTPUT": str(output),
        "GITHUB_STEP_SUMMARY": str(summary),
        **{f"INPUT_{name.upper()}": value for name, value in inputs.items()},
    }


def parse_outputs(text: str) -> dict[str, str]:
    """The runner's reading of its output file: NAME<<DELIMITER, lines, DELIMITER."""
    lines = iter(text.splitlines())
    outputs = {}
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        for inner in lines:
            if inner == delimiter:
                break
            value.append(inner)
        outputs[name] = "\n".join(value)
    return outputs
