"""`coral-quantize compile`: one int8 model through the Edge TPU compiler."""

from __future__ import annotations

from pathlib import Path

import click

from coral_action.commands.compiled_already import refuse_compiled
from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.counts import plural
from coral_action.echo import echo, echo_json


@click.command("compile")
@click.argument("models", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--compiler", metavar="PATH", help="The compiler; else it is looked for.")
@click.option(
    "--min-runtime-version",
    type=click.IntRange(10, 14),
    help="Oldest Edge TPU runtime to support.  [default: the compiler's, 14]",
)
@click.option(
    "--timeout", type=click.IntRange(1), default=180, show_default=True, help="In seconds."
)
@click.option("--segments", type=click.IntRange(2, 64), help="Cut into files for a pipeline.")
@click.option(
    "--multiple-subgraphs", is_flag=True, help="Allow several parts on the Edge TPU (experimental)."
)
@click.option(
    "--search-delegate", is_flag=True, help="On failure, cut operators off the end and retry."
)
@click.option(
    "--delegate-search-step",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Operators to cut off in each step of that search.",
)
@click.option(
    "--intermediate-tensor",
    "tensors",
    multiple=True,
    metavar="NAME",
    help="The Edge TPU's part ends at this tensor; can be repeated.",
)
@click.option("--diagnose/--no-diagnose", default=True, help="Look for the cause of a failure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@untrusted_option
def compile_(
    models: tuple[Path, ...],
    compiler: str | None,
    min_runtime_version: int | None,
    timeout: int,
    segments: int | None,
    multiple_subgraphs: bool,
    search_delegate: bool,
    delegate_search_step: int,
    tensors: tuple[str, ...],
    diagnose: bool,
    as_json: bool,
    allow_untrusted_checkout: bool,
) -> None:
    """Compile int8 MODELS; several are compiled together and share the chip's memory.

    The files go beside each model: NAME_edgetpu.tflite and NAME_edgetpu.log.

    Example: coral-quantize compile --min-runtime-version 13 mobilenet_int8.tflite
    """
    import os

    from coral_action.config.edge_tpu_schema import EdgeTpuConfig
    from coral_action.edgetpu import compile_or_diagnose, find_compiler, placement_of, target_of
    from coral_action.errors import UsageError
    from coral_action.tflite import read_model

    folders = [model.parent for model in models]
    require_trusted(folders, None, allowed=allow_untrusted_checkout)
    originals = [read_model(model) for model in models]
    for model, original in zip(models, originals, strict=True):
        refuse_compiled(model, original)
    program = find_compiler(compiler, os.environ)
    if program is None:
        raise UsageError("compile needs the compiler", hint="`check` predicts without it")
    try:
        config = EdgeTpuConfig(
            min_runtime_version=min_runtime_version,
            timeout=timeout,
            segments=segments,
            multiple_subgraphs=multiple_subgraphs,
            search_delegate=search_delegate,
            delegate_search_step=delegate_search_step,
            intermediate_tensors=list(tensors),
            diagnose=diagnose,
        )
    except ValueError as error:  # pydantic's, which names every problem in its own lines
        raise UsageError(str(error).splitlines()[-1].strip() or "wrong options") from error
    if segments is not None and len(models) > 1:
        raise UsageError("segments are for one model", hint="compile one model at a time")
    results = compile_or_diagnose(program, models, config)
    reports = []
    for model, original, result in zip(models, originals, results, strict=True):
        placement = placement_of(original, result, target_of(config))
        reports.append({"model": str(model), **result.to_json(), "placement": placement.to_json()})
        if not as_json:
            for path in result.paths:
                echo(str(path))
            mapped = plural(placement.edge_tpu, "operator")
            echo(f"{mapped} on the Edge TPU, {placement.cpu} on the CPU")
            for finding in (*result.findings, *placement.findings):
                echo(f"{finding.severity} {finding.id}: {finding.message}")
    if as_json:
        echo_json(reports)
