"""`coral-quantize completion`: words that a shell completes with Tab."""

from __future__ import annotations

import click

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "coral-quantize"
# The variable by which the shell asks the program; click derives the same from its name.
VARIABLE = "_CORAL_QUANTIZE_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options and files in a shell.

    \b
    Example, for bash, zsh and fish:
      echo 'eval "$(coral-quantize completion bash)"' >> ~/.bashrc
      echo 'eval "$(coral-quantize completion zsh)"' >> ~/.zshrc
      coral-quantize completion fish > ~/.config/fish/completions/coral-quantize.fish
    """  # noqa: D301 - click takes the control character
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(found(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())
