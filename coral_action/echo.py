"""Printing for people what may hold foreign text; light, as `check` has to be fast."""

from __future__ import annotations

import json
from typing import Any

import click

from coral_action.report.foreign import harmless


def echo(text: str, *, err: bool = False) -> None:
    """Print lines for people that may hold foreign text: they steer no terminal and no runner."""
    click.echo("\n".join(harmless(line) for line in text.splitlines()), err=err)


def echo_json(data: Any) -> None:
    """Print JSON; what would be a command in a runner's log is written as an escape."""
    click.echo(json.dumps(data, indent=2).replace("##[", "##\\u005b"))
