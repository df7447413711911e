"""HARD_SWISH, which the Edge TPU does not have, to ADD, MUL and MUL, which it does.

x * relu6(x + 3) / 6 (Howard et al., 2019, arXiv:1905.02244, section 5.2), with the division first,
so that the factor lies in [0, 1]. Equal in float up to the rounding of the last bit.
"""

from __future__ import annotations

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema


def spell_out_hard_swish(graph: Graph) -> list[str]:
    """Replace every HARD_SWISH."""
    changes = []
    for operator in list(graph.operators):
        if graph.kind(operator) != "HARD_SWISH":
            continue
        source, output = int(operator.inputs[0]), int(operator.outputs[0])
        name, shape = graph.name(output), graph.shape(output)
        three = graph.add_constant(f"{name}/three", np.array(3.0, dtype=np.float32))
        sixth = graph.add_constant(f"{name}/sixth", np.array(1 / 6, dtype=np.float32))
        clipped = graph.add_tensor(f"{name}/relu6", shape)
        factor = graph.add_tensor(f"{name}/factor", shape)
        add = schema().AddOptionsT()
        add.fusedActivationFunction = schema().ActivationFunctionType.RELU6
        graph.replace(
            operator,
            [
                graph.make_operator("ADD", [source, three], [clipped], add),
                graph.make_operator("MUL", [clipped, sixth], [factor], schema().MulOptionsT()),
                graph.make_operator("MUL", [source, factor], [output], schema().MulOptionsT()),
            ],
        )
        changes.append(f"HARD_SWISH spelled out as ADD and two MUL (exact): {name}")
    return changes
