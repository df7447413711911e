"""Printing for people what may hold foreign text; light, as `check` has to be fast."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from coral_action.report.foreign import harmless, without_command, without_start

if TYPE_CHECKING:
    from coral_action.report.model import Report


def echo(text: str, *, err: bool = False) -> None:
    """Print lines for people that may hold foreign text: they steer no terminal and no runner."""
    click.echo("\n".join(harmless(line) for line in text.splitlines()), err=err)


def echo_limits(report: Report) -> None:
    """Which limits were exceeded: what makes the exit code 1 is an error, even when quiet."""
    from coral_action.report.text import limit_sentence

    for model in report.models:
        for limit in model.limits:
            if not limit.passed:
                echo(f"error: {model.name}: {limit_sentence(limit, model)}", err=True)


def echo_json(data: Any) -> None:
    """Print JSON; what would be a command in a runner's log is written as an escape."""
    click.echo(_json_without_commands(json.dumps(data, indent=2)))


def echo_document(text: str, *, kind: str) -> None:
    """Print a report in one of its formats; only `annotations` are there to be obeyed."""
    if kind in _JSON:
        text = _json_without_commands(text)
    elif kind != "annotations":
        text = "\n".join(without_start(without_command(line)) for line in text.split("\n"))
    click.echo(text, nl=False)


_JSON = ("json", "sarif", "badge-json")


def _json_without_commands(text: str) -> str:
    """The same JSON: what would be a command can only stand in a text, and is an escape there."""
    return text.replace("##[", "##\\u005b")
