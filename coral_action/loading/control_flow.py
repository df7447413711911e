"""Loops and branches in a TensorFlow graph: which they are, and branches that never change.

The Edge TPU runs a straight sequence of operators, so loops are refused by name before the
converter turns them into something that fails later and says less.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.interface import listed

_LOOPS = frozenset(
    {"Enter", "RefEnter", "Exit", "RefExit", "NextIteration", "RefNextIteration", "LoopCond"}
    | {"While", "StatelessWhile", "For", "Map", "MapDefun"}
)
_BRANCHES = frozenset(
    {"Switch", "RefSwitch", "Merge", "RefMerge", "If", "StatelessIf", "Case", "StatelessCase"}
)
_ARRAYS = ("TensorArray", "TensorList", "EmptyTensorList", "Stack")
_NO_ARRAYS = frozenset({"TensorListLength"})
_LOOP_HINT = (
    "unroll recurrent layers before the export (Keras: unroll=True; TF1: static_rnn), or cut the "
    "loop off with `inputs` and `outputs`"
)
_BRANCH_HINT = (
    "fix what they depend on, such as `constants: {is_training: false}`, or cut them off with "
    "`inputs` and `outputs`"
)


def is_control_flow(op: str) -> bool:
    """Whether an operator belongs to a loop or a branch."""
    arrays = op.startswith(_ARRAYS) and op not in _NO_ARRAYS
    return op in _LOOPS or op in _BRANCHES or arrays


def refuse_control_flow(nodes: Iterable[Any]) -> None:
    """Refuse a graph that loops or branches.

    Args:
        nodes: the `NodeDef`s that the outputs depend on.

    Raises:
        ModelError: with the names of the nodes.
    """
    # Most telling first: a loop explains its arrays and its merges.
    found = [node for node in nodes if is_control_flow(node.op)]
    if not found:
        return
    found.sort(key=lambda node: (node.op not in _LOOPS, not node.op.startswith("TensorArray")))
    is_loop = found[0].op in _LOOPS
    kind = "loops" if is_loop else "branches or dynamic arrays"
    raise ModelError(
        f"the graph has control flow ({kind}), which the Edge TPU can't run: "
        + listed([f"{node.name} ({node.op})" for node in found], 4),
        hint=_LOOP_HINT if is_loop else _BRANCH_HINT,
        topic="control-flow",
    )


def prune_branches(graph: Any) -> None:
    """Resolve branches whose condition is a constant, such as `is_training`, in place."""
    nodes = {node.name: node for node in graph.node}
    for node in graph.node:
        if node.op in ("If", "StatelessIf"):
            condition = _constant(nodes, node.input[0])
            if condition is not None:
                _call_branch(node, "then_branch" if condition else "else_branch")
    switches = {
        node.name: condition
        for node in graph.node
        if node.op == "Switch" and (condition := _constant(nodes, node.input[1])) is not None
    }
    if switches:
        _bypass(graph, switches)


def _call_branch(node: Any, branch: str) -> None:
    """Make an `If` of TensorFlow 2 a plain call of one of its functions."""
    function, inputs = node.attr[branch].func.name, list(node.input)[1:]
    node.op = "PartitionedCall" if node.op == "StatelessIf" else "StatefulPartitionedCall"
    node.attr["f"].func.name = function
    for name in set(node.attr) - {"Tin", "Tout", "f"}:
        del node.attr[name]
    del node.input[:]
    node.input.extend(inputs)


def _bypass(graph: Any, switches: dict[str, bool]) -> None:
    """Lead the inputs of `Merge` past branches of TensorFlow 1 that are never taken.

    A `Switch` hands its data to output 1 if its condition is true, else to output 0; the `Merge`
    behind it takes whichever arrives (TensorFlow, control_flow_ops.cc).
    """
    dead: set[str] = set()  # tensors that never arrive
    alias: dict[str, str] = {}  # tensors that are just another one
    for node in graph.node:
        if node.name in switches:
            live = int(switches[node.name])
            alias[f"{node.name}:{live}"] = node.input[0]
            dead.add(f"{node.name}:{1 - live}")
    changed = True
    while changed:
        changed = False
        for node in graph.node:
            name = f"{node.name}:0"
            if name in dead or name in alias or node.name in switches:
                continue
            gone = [item for item in node.input if _tensor(item.lstrip("^")) in dead]
            if node.op == "Merge" and gone and len(gone) < len(node.input):
                alias[name] = next(item for item in node.input if item not in gone)
                changed = True
            elif gone:
                dead.add(name)
                changed = True
    gone_nodes = {tensor.partition(":")[0] for tensor in dead} | set(switches)
    kept = [node for node in graph.node if node.name not in gone_nodes]
    for node in kept:
        inputs = [_resolve(item, alias) for item in node.input if not item.startswith("^")]
        order = [i for i in node.input if i.startswith("^") and i.lstrip("^") not in gone_nodes]
        if f"{node.name}:0" in alias and node.op == "Merge":
            inputs, order, node.op = [_resolve(node.name, alias)], [], "Identity"
            del node.attr["N"]
        del node.input[:]
        node.input.extend([*inputs, *order])
    copies = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(copies)


def _constant(nodes: dict[str, Any], name: str) -> bool | None:
    """The value of a boolean that is known without running the graph."""
    import tensorflow as tf

    for _ in range(len(nodes)):
        node = nodes.get(name.partition(":")[0])
        if node is None:
            return None
        if node.op == "Const":
            return bool(tf.make_ndarray(node.attr["value"].tensor))
        if node.op == "PlaceholderWithDefault" or node.op in ("Identity", "StopGradient"):
            name = node.input[0]
        elif node.op == "LogicalNot":
            inner = _constant(nodes, node.input[0])
            return None if inner is None else not inner
        else:
            return None
    return None


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"


def _resolve(name: str, alias: dict[str, str]) -> str:
    seen: set[str] = set()
    while (tensor := _tensor(name)) in alias and tensor not in seen:
        seen.add(tensor)
        name = alias[tensor]
    return name
