"""Frozen GraphDef (.pb): cut at the named inputs and outputs, or at those that can be found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading import graph_edit
from coral_action.loading.control_flow import prune_branches, refuse_control_flow
from coral_action.loading.graph_code import refuse_code
from coral_action.loading.interface import (
    LoadRequest,
    OpenInput,
    Traceable,
    check_constants,
    check_names,
    listed,
)

# Nodes that nothing reads and that are no result.
_NOT_OUTPUTS = {"Const", "NoOp", "Assert", "Placeholder", "SaveV2", "RestoreV2", "Print"}
_VARIABLES = ("Variable", "VariableV2", "VarHandleOp")


def load(request: LoadRequest) -> Traceable:
    """The part of a frozen graph between its inputs and outputs as a function.

    Raises:
        ModelError: if the file is no GraphDef, holds variables or control flow, or its interface
            is not clear.
    """
    return from_graph(_parse(Path(request.source)), request)


def from_graph(
    graph: Any, request: LoadRequest, named_outputs: dict[str, str] | None = None
) -> Traceable:
    """A GraphDef without variables as a function, cut at what `request` names.

    Args:
        graph: the GraphDef; it is changed.
        request: `inputs` and `outputs` are nodes or tensors (`node:1`) of the graph.
        named_outputs: further names for outputs, with the tensors they stand for.

    Raises:
        ModelError: if a name is not in the graph, or what is left can't be run.
    """
    import tensorflow as tf

    aliases = named_outputs or {}
    known = [node.name for node in graph.node]
    for name in (*request.inputs, *request.input_shapes):
        check_names("node", [graph_edit.node_name(name)], known)
    check_constants(request, known)
    shapes = graph_edit.placeholder_shapes(graph)
    ends = _ends(graph)
    graph_edit.fix_constants(graph, request.constants)
    prune_branches(graph)
    outputs = _outputs(graph, request, aliases, ends)
    tensors = [aliases.get(name, name) for name in outputs]
    cuts = graph_edit.cut_inputs(graph, list(request.inputs))
    graph = graph_edit.extract(graph, [graph_edit.node_name(tensor) for tensor in tensors])
    _refuse_variables(graph)
    refuse_control_flow(graph.node)
    refuse_code(graph_edit.all_nodes(graph), request)
    feeds = [node for node in graph.node if node.op == "Placeholder"]
    inputs = [
        cuts.get(node.name)
        or OpenInput(node.name, shapes[node.name], tf.as_dtype(node.attr["dtype"].type).name)
        for node in feeds
    ]
    _check_needed(request, [item.name for item in inputs], outputs)

    def function(*values: Any) -> Sequence[Any]:
        feed = {f"{node.name}:0": value for node, value in zip(feeds, values, strict=True)}
        wanted = [tensor if ":" in tensor else f"{tensor}:0" for tensor in tensors]
        return list(
            tf.graph_util.import_graph_def(graph, input_map=feed, return_elements=wanted, name="")
        )

    return Traceable(function, tuple(inputs), tuple(outputs))


def _parse(path: Path) -> Any:
    import tensorflow as tf

    graph = tf.compat.v1.GraphDef()
    try:
        graph.ParseFromString(path.read_bytes())
    except Exception as error:  # google.protobuf's DecodeError, or one of its C++ kind
        raise ModelError(
            f"{path}: a damaged frozen graph: {error}",
            hint="the download or copy did not finish; fetch the file again",
            topic="damaged-file",
        ) from error
    return graph


def _refuse_variables(graph: Any) -> None:
    variables = [node.name for node in graph.node if node.op in _VARIABLES]
    if variables:
        raise ModelError(
            f"the graph is not frozen: it has variables such as {variables[0]}",
            hint="freeze it with its checkpoint (tf.compat.v1.graph_util), or name a SavedModel",
            topic="graph-not-frozen",
        )


def _ends(graph: Any) -> list[str]:
    """The nodes that nothing reads and that may be results."""
    read = {graph_edit.node_name(name) for node in graph.node for name in node.input}
    return [
        node.name for node in graph.node if node.name not in read and node.op not in _NOT_OUTPUTS
    ]


def _outputs(
    graph: Any, request: LoadRequest, aliases: dict[str, str], ends: list[str]
) -> list[str]:
    """The outputs that coral.yml names, or the one node that nothing reads."""
    if request.outputs:
        known = [node.name for node in graph.node]
        for name in request.outputs:
            if name not in aliases:
                check_names("node", [graph_edit.node_name(name)], known)
        return list(request.outputs)
    if aliases or len(ends) == 1:
        return list(aliases) or ends
    if ends:  # the graver trouble first
        refuse_control_flow(graph_edit.extract(graph, ends).node)
    raise ModelError(
        f"the graph has {len(ends)} possible outputs: {listed(ends) or 'none'}",
        hint="name the outputs in coral.yml: `outputs: [name, ...]`",
        topic="several-outputs",
    )


def _check_needed(request: LoadRequest, needed: list[str], outputs: list[str]) -> None:
    if not needed:
        raise ModelError(
            f"nothing that {listed(outputs)} depends on is an input",
            hint="name the inputs in coral.yml: `inputs: {name: [1, 224, 224, 3]}`",
        )
    for name in request.inputs:
        if name not in needed and graph_edit.node_name(name) not in needed:
            raise ModelError(
                f"{listed(outputs)} does not depend on the input {name}",
                hint=f"inputs that are needed: {listed(needed)}",
            )
