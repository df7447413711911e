"""Gradients of its own that a frozen graph still names: nothing that only runs needs them.

`tf.custom_gradient` marks operators, and TensorFlow's own `tf.nn.silu` (swish) is made with it. The
converter saves a graph before it converts it, can't save such gradients of a frozen graph, and goes
on in a way that writes no signature, without a word (seen with 2.21).
"""

from __future__ import annotations

from typing import Any

_MARK = "_gradient_op_type"


def forget_gradients(graph: Any) -> None:
    """Take the marks of custom gradients off a tf.Graph, in place; what it computes stays.

    Functions within the graph need none of this: those that were not inlined can't be converted.
    """
    for operation in graph.get_operations():
        try:
            operation.get_attr(_MARK)
        except ValueError:  # there is none, as there rarely is
            continue
        operation._clear_attr(_MARK)
