"""GELU, which compiler 16 can't even read, to MUL, LOGISTIC and MUL.

x * sigmoid(1.702 x) (Hendrycks and Gimpel, 2016, arXiv:1606.08415, section 2) is at most 0.0204
from x * Phi(x), which is below one step of an int8 output that reaches beyond 5.0.
"""

from __future__ import annotations

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

_SLOPE = 1.702
# Largest distance to GELU over all real x.
MAX_ERROR = 0.0204


def approximate_gelu(graph: Graph) -> list[str]:
    """Replace every GELU."""
    changes = []
    for operator in list(graph.operators):
        if graph.kind(operator) != "GELU":
            continue
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        name, shape = graph.name(output), graph.shape(output)
        slope = graph.add_constant(f"{name}/slope", np.array(_SLOPE, dtype=np.float32))
        steep = graph.add_tensor(f"{name}/steep", shape)
        gate = graph.add_tensor(f"{name}/gate", shape)
        graph.replace(
            operator,
            [
                graph.make_operator("MUL", [source, slope], [steep], schema().MulOptionsT()),
                graph.make_operator("LOGISTIC", [steep], [gate]),
                graph.make_operator("MUL", [source, gate], [output], schema().MulOptionsT()),
            ],
        )
        changes.append(f"GELU approximated as x * sigmoid(1.702 x), up to {MAX_ERROR} off: {name}")
    return changes
