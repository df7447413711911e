"""Edits of a TensorFlow GraphDef: constants for placeholders, cuts at inner nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from coral_action.errors import ModelError
from coral_action.loading.interface import Constant, OpenInput, OpenShape

# Up to this version a placeholder of unknown shape was written like a scalar (array_ops.cc).
_SCALAR_MEANS_UNKNOWN = 21


def node_name(tensor: str) -> str:
    """The node of a tensor or of a control input: `a` of `a:1` and of `^a`."""
    return tensor.lstrip("^").partition(":")[0]


def all_nodes(graph: Any) -> Iterator[tuple[str, str]]:
    """Name and operator of each node, those of the graph's functions included."""
    for nodes in (graph.node, *(function.node_def for function in graph.library.function)):
        yield from ((node.name, node.op) for node in nodes)


def placeholder_shapes(graph: Any) -> dict[str, OpenShape]:
    """The shape of each placeholder; None where it says nothing, and for its open dimensions."""
    shapes: dict[str, OpenShape] = {}
    legacy = graph.versions.producer <= _SCALAR_MEANS_UNKNOWN
    for node in graph.node:
        if node.op != "Placeholder":
            continue
        shape = node.attr["shape"].shape
        sizes = [None if dim.size < 0 else int(dim.size) for dim in shape.dim]
        unknown = shape.unknown_rank or "shape" not in node.attr or (legacy and not sizes)
        shapes[node.name] = None if unknown else sizes
    return shapes


def fix_constants(graph: Any, constants: dict[str, Constant]) -> None:
    """Put values in the place of placeholders, and defaults in that of `PlaceholderWithDefault`."""
    import tensorflow as tf

    for node in graph.node:
        if node.name in constants:
            dtype = node.attr["dtype"].type or node.attr["T"].type
            if not dtype:
                raise ModelError(
                    f"{node.name} is a {node.op}, which can't be fixed to a constant",
                    hint="constants are for placeholders such as keep_prob or is_training",
                )
            value = np.array(constants[node.name], tf.as_dtype(dtype).as_numpy_dtype)
            name = node.name
            node.Clear()
            node.name, node.op = name, "Const"
            node.attr["dtype"].type = dtype
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
        elif node.op == "PlaceholderWithDefault":
            dtype = node.attr["dtype"].type
            node.op = "Identity"
            node.attr.clear()
            node.attr["T"].type = dtype


def cut_inputs(graph: Any, names: Sequence[str]) -> dict[str, OpenInput]:
    """Make the named inner tensors placeholders, in place.

    Returns:
        For each new placeholder, by node name, the input that it is.
    """
    operators = {node.name: node.op for node in graph.node}
    inner = [name for name in names if operators[node_name(name)] != "Placeholder"]
    if not inner:
        return {}
    tensors = _describe(graph, inner)
    cuts: dict[str, OpenInput] = {}
    for name in inner:
        tensor = _tensor(name)
        placeholder = graph.node.add()
        placeholder.name = _free_name(operators, tensor.replace(":", "_") + "_input")
        operators[placeholder.name] = placeholder.op = "Placeholder"
        placeholder.attr["dtype"].type = tensors[name].dtype.as_datatype_enum
        for node in graph.node:
            inputs = [placeholder.name if _tensor(i) == tensor else i for i in node.input]
            if inputs != list(node.input):
                del node.input[:]
                node.input.extend(inputs)
        shape = tensors[name].shape
        known = None if shape.rank is None else shape.as_list()
        cuts[placeholder.name] = OpenInput(name, known, tensors[name].dtype.name)
    return cuts


def extract(graph: Any, outputs: Sequence[str]) -> Any:
    """The nodes that the named nodes depend on, as a new GraphDef."""
    import tensorflow as tf

    return tf.compat.v1.graph_util.extract_sub_graph(graph, list(outputs))


def _describe(graph: Any, names: Sequence[str]) -> dict[str, Any]:
    """The inner tensors by name, with the dtype and shape that TensorFlow infers."""
    import tensorflow as tf

    try:
        with tf.Graph().as_default() as whole:
            tf.import_graph_def(graph, name="")
            return {name: whole.get_tensor_by_name(_tensor(name)) for name in names}
    except Exception as error:
        raise ModelError(
            f"the graph can't be read: {str(error).splitlines()[0][:300]}",
            hint="it may need operators that are not part of TensorFlow",
        ) from error


def _tensor(name: str) -> str:
    """The full name of a tensor; control inputs keep theirs and match no tensor."""
    return name if name.startswith("^") or ":" in name else f"{name}:0"


def _free_name(taken: dict[str, str], wanted: str) -> str:
    name, number = wanted, 1
    while name in taken:
        name, number = f"{wanted}_{number}", number + 1
    return name
