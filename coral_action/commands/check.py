"""`coral-quantize check`: what maps to the Edge TPU, before anything is compiled."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coral_action.commands.compiled_already import refuse_compiled
from coral_action.commands.guard import require_trusted, untrusted_option
from coral_action.echo import echo, echo_json

if TYPE_CHECKING:
    from coral_action.edgetpu import Placement
    from coral_action.findings import Finding

_LISTED = 4  # operators named on one line


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option(
    "--min-runtime-version",
    type=click.IntRange(10, 14),
    default=14,
    show_default=True,
    help="Oldest Edge TPU runtime to support.",
)
@click.option(
    "--multiple-subgraphs", is_flag=True, help="As the compiler's experimental option does."
)
@click.option("--ignore", multiple=True, metavar="ID", help="A finding not to show, as CQ101.")
@untrusted_option
def check(
    model: Path,
    as_json: bool,
    min_runtime_version: int,
    multiple_subgraphs: bool,
    ignore: tuple[str, ...],
    allow_untrusted_checkout: bool,
) -> None:
    """Predict which operators of an int8 MODEL.tflite run on the Edge TPU, and why not.

    Needs neither the compiler nor TensorFlow.

    Example: coral-quantize check mobilenet_int8.tflite
    """
    from coral_action.edgetpu import Target, estimate, predict
    from coral_action.tflite import read_model

    require_trusted([model.parent], None, allowed=allow_untrusted_checkout)
    graph = read_model(model)
    refuse_compiled(model, graph)
    placement = predict(graph, Target(min_runtime_version, multiple_subgraphs))
    cost = estimate(graph, placement)
    shown = [
        finding for finding in (*placement.findings, *cost.findings()) if finding.id not in ignore
    ]
    if as_json:
        report = {
            **placement.to_json(),
            "findings": [_plain(vars(finding)) for finding in shown],
            "cost": cost.to_json(),
        }
        echo_json(report)
        return
    echo(f"{model}: {_headline(placement.edge_tpu, placement.cpu, placement.refused)}")
    for line in (*_refusals(shown), *_left(placement)):
        echo(line)
    echo(
        f"on the Edge TPU: {cost.parameter_bytes:,} bytes of parameters (8 MiB fit on the chip), "
        f"{cost.macs / 1e6:,.0f} million multiply-adds; largest activation "
        f"{cost.largest_activation_bytes:,} bytes"
    )
    if cost.latency:
        echo(
            f"roughly {cost.latency.milliseconds:.1f} ms on USB 3 (between {cost.latency.low:.1f} "
            f"and {cost.latency.high:.1f})"
        )
    listed = {f"{o.name} (operator {o.index})" for o in placement.operators if o.target == "cpu"}
    for finding in shown:
        if finding.operator not in listed:
            echo(f"{finding.severity} {finding.id}: {finding.message}")
            echo(f"    {finding.advice}") if finding.advice else None


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value not in (None, "")}


def _headline(edge_tpu: int, cpu: int, refused: bool) -> str:
    if refused:
        return "the compiler would refuse this file"
    total = edge_tpu + cpu
    if total == 1:
        return f"its only operator is expected on the {'CPU' if cpu else 'Edge TPU'}"
    where = f"{edge_tpu} of {total}" if cpu else f"all {total}"
    return f"{where} operators are expected on the Edge TPU"


def _refusals(findings: list[Finding]) -> list[str]:
    """What makes the compiler refuse the file comes first."""
    lines = []
    for finding in findings:
        if finding.severity == "error":
            lines += [f"  error {finding.id}: {finding.message}", f"        {finding.advice}"]
    return lines


def _left(placement: Placement) -> list[str]:
    """What stays on the CPU; operators that stay for the same reason share a line."""
    groups: dict[tuple[str, str], list[str]] = {}
    for operator in placement.operators:
        if operator.target == "cpu":
            why = (operator.reason, operator.advice)
            groups.setdefault(why, []).append(f"{operator.index} {operator.name}")
    lines = []
    for (reason, advice), names in groups.items():
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        lines.append(f"  cpu   {', '.join(names[:_LISTED])}{more}: {reason}")
        lines += [f"        {advice}"] if advice else []
    return lines
