"""`coral-quantize check`: what of a .tflite maps to the Edge TPU, without compiling."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def check(model: Path, as_json: bool) -> None:
    """Predict, operator by operator, what of MODEL maps to the Edge TPU, and why not.

    Example: coral-quantize check model_int8.tflite --json
    """
    from coral_action.edgetpu import predict
    from coral_action.tflite import read_model

    placement = predict(read_model(model))
    operators = [
        {"index": o.index, "name": o.name, "target": o.target}
        | ({"reason": o.reason} if o.reason else {})
        | ({"advice": o.advice} if o.advice else {})
        for o in placement.operators
    ]
    if as_json:
        result = {
            "operators": operators,
            "edge_tpu": placement.edge_tpu,
            "cpu": placement.cpu,
            "subgraphs": placement.subgraphs,
            "findings": [],
        }
        click.echo(json.dumps(result, indent=2))
        return
    for operator in placement.operators:
        where = "Edge TPU" if operator.target == "edge_tpu" else "CPU"
        why = f"  {operator.reason}; {operator.advice}" if operator.reason else ""
        click.echo(f"{operator.index:4}  {operator.name:28} {where}{why}")
    click.echo(f"{placement.edge_tpu} on the Edge TPU, {placement.cpu} on the CPU (predicted)")
