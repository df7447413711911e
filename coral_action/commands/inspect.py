"""`coral-quantize inspect`: what a compiled file holds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.counts import plural
from coral_action.echo import echo, echo_json
from coral_action.errors import ModelError

if TYPE_CHECKING:
    from coral_action.edgetpu import CompiledModel, ModelLog
    from coral_action.tflite import TfliteModel


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option(
    "--original",
    type=click.Path(path_type=Path),
    help="The file that was compiled: shows where each of its operators went.",
)
@click.option(
    "--log",
    "log_file",
    type=click.Path(path_type=Path),
    help="The compiler's log, which is held against the file; with --original.",
)
@untrusted_option
def inspect(
    model: Path,
    as_json: bool,
    original: Path | None,
    log_file: Path | None,
    allow_untrusted_checkout: bool,
) -> None:
    """Say what a compiled MODEL_edgetpu.tflite holds: subgraphs, memory, layers, versions.

    Example: coral-quantize inspect mobilenet_int8_edgetpu.tflite
    """
    from coral_action.edgetpu import from_compiled, parse_log, part_of, read_compiled
    from coral_action.errors import UsageError
    from coral_action.tflite import read_model

    if log_file is not None and original is None:
        raise UsageError("--log is held against --original, which is not there")
    files = [model] if original is None else [model, original]
    folders = [file.parent for file in files]
    require_trusted(folders, None, allowed=allow_untrusted_checkout)
    graph = read_model(model)
    compiled = read_compiled(graph)
    placement = None
    if original is not None:
        said = None
        if log_file is not None:
            try:
                text = log_file.read_bytes().decode("utf-8", "replace")
            except OSError as error:
                raise ModelError(f"{log_file}: can't be read: {error.strerror}") from error
            said = _said_of(parse_log(text).models, model, original, log_file)
        whole = read_model(original)
        same = _same_ends(graph, whole)
        if not any(same):
            raise ModelError(
                f"{model} was not compiled from {original}: their inputs and outputs are others",
                hint="name the int8 .tflite that the compiler was given",
            )
        part = None if all(same[:2]) else part_of(whole, graph)
        placement = from_compiled(whole, graph, said, part=part)
    if as_json:
        report = compiled.to_json()
        if placement is not None:
            report["placement"] = placement.to_json()
            report["findings"] = [
                {key: value for key, value in vars(finding).items() if value not in (None, "")}
                for finding in placement.findings
            ]
        echo_json(report)
        return
    echo(f"{model}: {compiled.size_bytes:,} bytes")
    for line in _lines(compiled):
        echo(line)
    if placement is not None:
        mapped = plural(placement.edge_tpu, "operator")
        echo(f"{mapped} on the Edge TPU, {placement.cpu} on the CPU")
        for operator in placement.operators:
            if operator.target == "cpu":
                echo(f"  cpu  {operator.index:>4} {operator.name:<24} {operator.reason}")
        for finding in placement.findings:
            if finding.id == "CQ151":  # the log and the file disagree; reasons stand above
                echo(f"{finding.id}: {finding.message}")


def _said_of(said: list[ModelLog], model: Path, original: Path, log: Path) -> ModelLog:
    """What a log says of this model: one of models that were compiled together has all of them."""
    if not said:
        raise ModelError(
            f"{log}: nothing in it is of a compiled model",
            hint="name what edgetpu_compiler printed, or its .log, as it was written",
        )
    made = [item for item in said if Path(item.output or "").name == model.name]
    given = [item for item in said if Path(item.input or "").name == original.name]
    if len(said) > 1 and not made and not given:
        raise ModelError(
            f"{log}: it is about {len(said)} models, none of them called {model.name}",
            hint="give the compiled file, or --original, the name that it has in the log",
        )
    return (made or given or said)[0]


def _same_ends(compiled: TfliteModel, original: TfliteModel) -> tuple[bool, bool, bool]:
    """Whether inputs are the same, outputs are, and whether both are tensors of the original.

    All are for the whole model, one of the first two for its first or last segment, and the third
    alone for one in between. Nothing is for another model.
    """

    def ends(model: TfliteModel, places: Sequence[int]) -> list[tuple[str, tuple[int, ...]]]:
        # The compiler settles dimensions that were left open (-1).
        tensors = [model.tensors[i] for i in places]
        return [(tensor.name, tuple(abs(size) for size in tensor.shape)) for tensor in tensors]

    known: dict[str, set[tuple[int, ...]]] = {}
    for name, shape in ends(original, range(len(original.tensors))):
        known.setdefault(name, set()).add(shape)
    inputs, outputs = ends(compiled, compiled.inputs), ends(compiled, compiled.outputs)
    # A family's models have the same names: another size of one is another model.
    if any(shape not in known.get(name, {shape}) for name, shape in (*inputs, *outputs)):
        return False, False, False
    return (
        inputs == ends(original, original.inputs),
        outputs == ends(original, original.outputs),
        all(name in known for name, _ in (*inputs, *outputs)),
    )


def _lines(compiled: CompiledModel) -> list[str]:
    if not compiled.subgraphs:
        return ["no Edge TPU subgraph: this file runs on the CPU alone"]
    cycles = f"{compiled.estimated_cycles:,}" if compiled.estimated_cycles else "not filled"
    tokens = ", ".join(f"{token:016x}" for token in compiled.caching_tokens) or "none"
    lines = [
        f"compiler            {compiled.compiler}",
        f"runtime needed      {compiled.min_runtime_version}",
        f"parameters cached   {compiled.cached_bytes:,} bytes",
        f"parameters streamed {compiled.streamed_bytes:,} bytes at every inference",
        f"scratch memory      {compiled.scratch_bytes:,} bytes",
        f"estimated cycles    {cycles}",
        f"caching token       {tokens}",
    ]
    for subgraph in compiled.subgraphs:
        lines.append(f"subgraph of operator {subgraph.operator}")
        for kind, layers in (("in ", subgraph.inputs), ("out", subgraph.outputs)):
            lines += [
                f"  {kind} {layer.name}  {'x'.join(map(str, layer.shape))} {layer.type}  "
                f"scale {layer.scale:.6g}  zero point {layer.zero_point}"
                for layer in layers
            ]
    if compiled.cpu_operators:
        lines.append(f"on the CPU          {', '.join(compiled.cpu_operators)}")
    return lines
