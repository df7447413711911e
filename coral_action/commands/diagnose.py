"""`coral-quantize diagnose`: the operator that makes the Edge TPU compiler fail."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.commands.compiled_already import refuse_compiled
from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.echo import echo, echo_json


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--compiler", metavar="PATH", help="The compiler; else it is looked for.")
@click.option(
    "--seconds",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="Time limit of the whole search.",
)
@click.option(
    "--timeout",
    type=click.IntRange(1),
    default=180,
    show_default=True,
    help="Seconds for one compilation.",
)
@click.option(
    "--min-runtime-version",
    type=click.IntRange(10, 14),
    help="Oldest Edge TPU runtime to support.  [default: the compiler's, 14]",
)
@click.option(
    "--multiple-subgraphs", is_flag=True, help="Allow several parts on the Edge TPU (experimental)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@untrusted_option
def diagnose(
    model: Path,
    compiler: str | None,
    seconds: int,
    timeout: int,
    min_runtime_version: int | None,
    multiple_subgraphs: bool,
    as_json: bool,
    allow_untrusted_checkout: bool,
) -> None:
    """Find the operators of MODEL.tflite that make the Edge TPU compiler fail.

    Parts of the model are compiled until the smallest one that fails is found.

    Example: coral-quantize diagnose detector_int8.tflite
    """
    import os

    from coral_action.config.edge_tpu_schema import EdgeTpuConfig
    from coral_action.edgetpu import compiler_version, find_compiler
    from coral_action.edgetpu import diagnose as find
    from coral_action.errors import UsageError
    from coral_action.tflite import read_model

    require_trusted([model.parent], None, allowed=allow_untrusted_checkout)
    # A file that is no model to compile is said to be so before a compiler is needed.
    refuse_compiled(model, read_model(model))
    program = find_compiler(compiler, os.environ)
    if program is None:
        raise UsageError("diagnose needs the compiler", hint="leave out `--compiler none`")
    config = EdgeTpuConfig(
        timeout=timeout,
        diagnose_seconds=seconds,
        min_runtime_version=min_runtime_version,
        multiple_subgraphs=multiple_subgraphs,
    )
    found = find(program, model, config, version=compiler_version(program))
    if as_json:
        echo_json(found.to_json())
        return
    echo(found.summary)
    for finding in found.findings():
        echo(f"{finding.severity} {finding.id}: {finding.message}")
        echo(f"  {finding.advice}")
