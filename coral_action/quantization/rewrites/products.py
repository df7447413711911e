"""SQUARE and NEG, which have no int8 kernel and would stay in float, to MUL, which has one.

Exact: x * x, and x * -1.
"""

from __future__ import annotations

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema


def multiply_instead(graph: Graph) -> list[str]:
    """Replace every float SQUARE and NEG."""
    changes = []
    for operator in list(graph.operators):
        kind = graph.kind(operator)
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        if kind not in ("SQUARE", "NEG") or not graph.is_float(source):
            continue
        name = graph.name(output)
        other = (
            source
            if kind == "SQUARE"
            else graph.add_constant(f"{name}/minus_one", np.array(-1.0, dtype=np.float32))
        )
        options = schema().MulOptionsT()
        graph.replace(operator, [graph.make_operator("MUL", [source, other], [output], options)])
        changes.append(f"{kind} as MUL (exact): {name}")
    return changes
