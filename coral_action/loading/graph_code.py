"""Operators in a TensorFlow graph that run code or write files: refused unless allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest, listed

# Python functions of the process that made the model, and operators that leave the process.
_CODE = frozenset(
    {"PyFunc", "PyFuncStateless", "EagerPyFunc", "WriteFile", "ImportEvent", "XlaHostCompute"}
    | {"DebugIdentity", "DebugIdentityV2", "DebugIdentityV3", "PrintV2File", "RemoteCall"}
    | {"RpcCall", "RpcClient", "RpcServer", "DistributedSave"}
)

ALLOW_HINT = (
    "if you trust its maker, allow it on the command line (--allow-custom-code) or as the action's "
    "input allow-custom-code; coral.yml can't"
)


def refuse_code(graph: Any, request: LoadRequest) -> None:
    """Refuse a GraphDef, functions included, that would run code or write files.

    Raises:
        ModelError: naming the nodes.
    """
    if request.allow_custom_code:
        return
    found = [f"{node.name} ({node.op})" for node in _nodes(graph) if node.op in _CODE]
    if found:
        raise ModelError(f"the graph runs code of its own: {listed(found, 4)}", hint=ALLOW_HINT)


def _nodes(graph: Any) -> Iterator[Any]:
    yield from graph.node
    for function in graph.library.function:
        yield from function.node_def
