"""The commands, their options and exit codes."""

from __future__ import annotations

import gc
import importlib
import io
import sys
from collections.abc import Sequence

import click

from coral_action.console import Settings, describe, show_sandbox
from coral_action.echo import echo
from coral_action.errors import EXIT_USAGE, CoralQuantizeError

# Each is `coral_action.commands.<name>`, imported when it is asked for: `check` has to be fast.
COMMANDS = (
    "check",
    "comment",
    "compile",
    "compiler",
    "completion",
    "diagnose",
    "init",
    "inspect",
    "merge",
    "plan",
    "preview",
    "release",
    "report",
    "run",
    "schema",
)
_EXIT_INTERRUPTED = 130  # as a shell reports Ctrl-C


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is used or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, None if there is none."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"coral_action.commands.{cmd_name}")
        # A trailing underscore keeps a function's name apart from Python's own (`compile_`).
        found = getattr(module, cmd_name, None) or getattr(module, f"{cmd_name}_")
        return found if isinstance(found, click.Command) else None


def _show_version(ctx: click.Context, *, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from coral_action.version_text import version_text

        click.echo(version_text())
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, option, wanted: _show_version(ctx, wanted=wanted),
    help="Show the versions of this program and of all that shapes its results.",
)
@click.option("--debug", is_flag=True, help="Show tracebacks and the output of child processes.")
def cli(debug: bool) -> None:
    """Quantize TensorFlow models for the Coral Edge TPU, and explain the result.

    Exit codes: 0 all well; 1 a limit of coral.yml was exceeded; 2 bad config or usage; 3 a model or
    its data could not be processed; 4 the Edge TPU compiler failed; 5 GitHub refused.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit with its code; errors are shown in at most a few lines."""
    gc.set_threshold(50_000)  # imports make many objects and no garbage: 8 % of a short command
    words = list(sys.argv[1:] if arguments is None else arguments)
    settings = Settings(debug="--debug" in words)
    words = [word for word in words if word != "--debug"]  # it may stand before or after a command
    if settings.debug:
        show_sandbox(sys.stderr)
    try:
        result = cli.main(words, prog_name="coral-quantize", standalone_mode=False, obj=settings)
        sys.exit(result if isinstance(result, int) else 0)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue(), err=True)
        sys.exit(EXIT_USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(_EXIT_INTERRUPTED)
    except CoralQuantizeError as error:
        click.echo(describe(error, debug=settings.debug), err=True)
        sys.exit(error.exit_code)
    finally:
        gc.freeze()  # or the interpreter's end looks through all of it once more, for 60 ms
