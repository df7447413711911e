"""The commands, their options and exit codes."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

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
    "demo",
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
_EXIT_BROKEN_PIPE = 141  # as it reports that nobody reads any more


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
    _write_what_can_be_written()
    words = [word for word in words if word != "--debug"]  # it may stand before or after a command
    if settings.debug:
        show_sandbox(sys.stderr)
    try:
        result = cli.main(words, prog_name="coral-quantize", standalone_mode=False, obj=settings)
        sys.stdout.flush()
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
    except SystemExit as ended:
        # click's end of a broken pipe is 1, which is a limit here.
        sys.exit(
            _EXIT_BROKEN_PIPE if isinstance(ended.__context__, BrokenPipeError) else ended.code
        )
    except OSError as error:  # of all that is written, only what is printed has no error of its own
        if settings.debug:
            raise
        _close_output()
        place = f"{error.filename}: " if error.filename else "the output can't be written: "
        echo(f"error: {place}{error.strerror}", err=True)
        sys.exit(EXIT_USAGE)
    else:
        sys.exit(result if isinstance(result, int) else 0)
    finally:
        gc.freeze()  # or the interpreter's end looks through all of it once more, for 60 ms


def _write_what_can_be_written() -> None:
    """What a terminal's encoding does not have becomes a question mark, and no traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def _close_output() -> None:
    """Nothing more is written, or the interpreter would fail at its end once more."""
    sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - stays open
    os.dup2(sys.stdout.fileno(), 1)
