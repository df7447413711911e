"""`coral-quantize demo`: the main job on the example."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.commands.run import run

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits" / "coral.yml"


@click.command()
@click.option(
    "--output",
    default=Path("coral-output"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the models and the report.",
)
@click.option(
    "--compiler",
    default="none",
    show_default=True,
    help="Path of edgetpu_compiler, or none to predict the placement.",
)
@click.pass_context
def demo(context: click.Context, output: Path, compiler: str) -> int:
    """Run the main job on the example of the repository, and show the report.

    One model in its three usual forms, with its images: examples/digits. Example:
    coral-quantize demo
    """
    from coral_action.errors import UsageError

    if not EXAMPLE.is_file():  # a wheel or an image holds the program alone
        raise UsageError(
            "the example is not part of this installation",
            hint="clone the repository, and run `make demo` there",
        )
    # As a path that works from here, so that the report can say how to do it again.
    here = Path.cwd()
    config = EXAMPLE.relative_to(here) if EXAMPLE.is_relative_to(here) else EXAMPLE
    words = ["--config", str(config), "--output", str(output), "--compiler", compiler]
    result: int = run.main(words, "demo", standalone_mode=False, obj=context.obj)
    return result
