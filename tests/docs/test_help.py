"""Every command shows an example in its help, and the example is right."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click
import pytest
import shell_lines

from coral_action.cli import COMMANDS, cli


def commands() -> Iterator[tuple[str, click.Command]]:
    """All commands and those below them, by their full name."""
    for name in COMMANDS:
        found = cli.get_command(click.Context(cli), name)
        assert found is not None, name
        if isinstance(found, click.Group):
            for inner in found.list_commands(click.Context(found)):
                command = found.get_command(click.Context(found), inner)
                assert command is not None
                yield f"{name} {inner}", command
        else:
            yield name, found


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: str(value))
def test_help_has_an_example_that_works(name: str, command: click.Command) -> None:
    _, _, shown = (command.help or "").partition("Example")
    examples = re.findall(r"coral-quantize [^\"')>|\n]+", shown)
    assert examples, f"{name} --help shows no example"
    for example in examples:
        words = next(shell_lines.lines(example))
        assert shlex.join(words[1:]).startswith(name)
        shell_lines.check_cli(words[1:])


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda value: str(value))
def test_every_option_is_explained(name: str, command: click.Command) -> None:
    unexplained = [
        parameter.opts[0]
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]
    assert unexplained == [], name
