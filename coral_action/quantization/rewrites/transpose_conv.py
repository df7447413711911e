"""TRANSPOSE_CONV with a fused activation (version 4, TensorFlow 2.14 on) to version 3 and ReLU.

google-coral/edgetpu#845: compiler 16 reads versions up to 3. Exact: the kernel clips last of all.
"""

from __future__ import annotations

import numpy as np

from coral_action.quantization.graph import Graph
from coral_action.tflite import schema

_NO_BIAS_VERSION = 1
_BIAS_VERSION = 3


def split_transpose_conv(graph: Graph) -> list[str]:
    """Give every fused activation of a TRANSPOSE_CONV an operator of its own."""
    functions = schema().ActivationFunctionType
    operators = {
        functions.RELU: "RELU",
        functions.RELU6: "RELU6",
        functions.RELU_N1_TO_1: "RELU_N1_TO_1",
    }
    changes = []
    for operator in list(graph.operators):
        if graph.kind(operator) != "TRANSPOSE_CONV" or operator.builtinOptions is None:
            continue
        kind = operators.get(operator.builtinOptions.fusedActivationFunction)
        if kind is None:
            continue
        output = int(operator.outputs[0])
        before = graph.add_tensor(
            f"{graph.name(output)}/before_{kind.lower()}", graph.shape(output)
        )
        operator.outputs = np.array([before], dtype=np.int32)
        operator.builtinOptions.fusedActivationFunction = functions.NONE
        has_bias = len(operator.inputs) > 3 and int(operator.inputs[3]) >= 0
        graph.set_version(operator, _BIAS_VERSION if has_bias else _NO_BIAS_VERSION)
        graph.replace(operator, [operator, graph.make_operator(kind, [before], [output])])
        changes.append(
            f"TRANSPOSE_CONV with fused {kind} split in two (exact): {graph.name(output)}"
        )
    return changes
