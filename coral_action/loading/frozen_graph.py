"""Frozen GraphDef (.pb): cut at the named inputs and outputs, or at those that can be found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.float_model import TensorSpec
from coral_action.loading.recipe import (
    MAX_LISTED,
    LoadRequest,
    Traceable,
    check_names,
    static_shape,
)

# Nodes that nothing reads and that are no result.
_NOT_OUTPUTS = {"Const", "NoOp", "Assert", "Placeholder", "SaveV2", "RestoreV2", "Print"}


def load(request: LoadRequest) -> Traceable:
    """The part of a frozen graph between its inputs and outputs as a function.

    Raises:
        ModelError: if the file is no GraphDef, holds variables, or its interface is not clear.
    """
    import tensorflow as tf

    graph = _parse(Path(request.source))
    nodes = {node.name: node for node in graph.node}
    _refuse_variables(graph)
    outputs = _outputs(graph, request, list(nodes))
    for name in request.inputs:
        check_names("node", [_node_name(name)], list(nodes))
    shapes = _known_shapes(graph)
    graph, dtypes = _cut(graph, [_node_name(name) for name in request.inputs])
    graph = tf.compat.v1.graph_util.extract_sub_graph(graph, [_node_name(n) for n in outputs])
    given = {_node_name(name): shape for name, shape in request.inputs.items()}
    specs = tuple(
        TensorSpec(
            node.name,
            static_shape(node.name, shapes.get(node.name), given.get(node.name)),
            dtypes.get(node.name, tf.as_dtype(node.attr["dtype"].type)).name,
        )
        for node in graph.node
        if node.op == "Placeholder"
    )
    if not specs:
        raise ModelError(
            f"nothing that {', '.join(outputs)} depends on is an input",
            hint="name the inputs in coral.yml: `inputs: {name: [1, 224, 224, 3]}`",
        )
    _check_needed(request, [spec.name for spec in specs], outputs)

    def function(*tensors: Any) -> Sequence[Any]:
        feed = {f"{spec.name}:0": t for spec, t in zip(specs, tensors, strict=True)}
        wanted = [name if ":" in name else f"{name}:0" for name in outputs]
        return list(
            tf.graph_util.import_graph_def(graph, input_map=feed, return_elements=wanted, name="")
        )

    return Traceable(function, specs, tuple(outputs))


def _parse(path: Path) -> Any:
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:
        raise ModelError(
            f"{path}: not a model that can be loaded (no SavedModel, frozen graph or Keras file)",
            hint="a SavedModel is a folder: name the folder, not the .pb file in it",
        ) from error
    if not graph.node:
        raise ModelError(
            f"{path}: a GraphDef without nodes",
            hint="if this is the saved_model.pb of a SavedModel, name its folder instead",
        )
    return graph


def _refuse_variables(graph: Any) -> None:
    variables = [n.name for n in graph.node if n.op in ("Variable", "VariableV2", "VarHandleOp")]
    if variables:
        raise ModelError(
            f"the graph is not frozen: it has variables such as {variables[0]}",
            hint="freeze it with its checkpoint (tf.compat.v1.graph_util), or name a SavedModel",
        )


def _node_name(tensor: str) -> str:
    return tensor.partition(":")[0]


def _outputs(graph: Any, request: LoadRequest, known: list[str]) -> list[str]:
    if request.outputs:
        for name in request.outputs:
            check_names("node", [_node_name(name)], known)
        return list(request.outputs)
    read = {_node_name(name.lstrip("^")) for node in graph.node for name in node.input}
    ends = [
        node.name for node in graph.node if node.name not in read and node.op not in _NOT_OUTPUTS
    ]
    if len(ends) == 1:
        return ends
    listed = ", ".join(ends[:MAX_LISTED]) + (", ..." if len(ends) > MAX_LISTED else "")
    raise ModelError(
        f"the graph has {len(ends)} possible outputs: {listed or 'none'}",
        hint="name the outputs in coral.yml: `outputs: [name, ...]`",
    )


def _known_shapes(graph: Any) -> dict[str, list[int | None] | None]:
    """The shapes that placeholders carry; None where a placeholder says nothing."""
    shapes: dict[str, list[int | None] | None] = {}
    for node in graph.node:
        if node.op == "Placeholder":
            shape = node.attr["shape"].shape
            unknown = shape.unknown_rank or ("shape" not in node.attr) or not shape.dim
            sizes = [None if dim.size < 0 else int(dim.size) for dim in shape.dim]
            shapes[node.name] = None if unknown else sizes
    return shapes


def _cut(graph: Any, inputs: list[str]) -> tuple[Any, dict[str, Any]]:
    """A copy of the graph in which the named inner nodes are placeholders, and their dtypes."""
    import tensorflow as tf

    inner = [n.name for n in graph.node if n.name in inputs and n.op != "Placeholder"]
    if not inner:
        return graph, {}
    with tf.Graph().as_default() as whole:
        tf.import_graph_def(graph, name="")
        dtypes = {name: whole.get_tensor_by_name(f"{name}:0").dtype for name in inner}
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(graph)
    for node in result.node:
        if node.name in dtypes:
            name = node.name
            node.Clear()
            node.name, node.op = name, "Placeholder"
            node.attr["dtype"].type = dtypes[name].as_datatype_enum
    return result, dtypes


def _check_needed(request: LoadRequest, needed: list[str], outputs: list[str]) -> None:
    for name in request.inputs:
        if _node_name(name) not in needed:
            raise ModelError(
                f"{', '.join(outputs)} does not depend on the input {name}",
                hint=f"inputs that are needed: {', '.join(needed)}",
            )
