"""Operators in a TensorFlow graph that run code or write files: refused unless allowed.

TensorFlow runs a SavedModel's initializers while it loads the folder, and so does its converter, so
saved_model.pb is searched before either of them sees it, and without importing TensorFlow.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from coral_action.errors import ModelError
from coral_action.loading import protobuf
from coral_action.loading.interface import LoadRequest, listed

# Python functions of the process that made the model, and operators that leave the process.
_CODE = frozenset(
    {"PyFunc", "PyFuncStateless", "EagerPyFunc", "WriteFile", "RemoteCall"}
    | {"DebugIdentity", "DebugIdentityV2", "DebugIdentityV3"}
)

ALLOW_HINT = (
    "if you trust its maker, allow it on the command line (--allow-custom-code) or as the action's "
    "input allow-custom-code; coral.yml can't"
)


def check_saved_model(request: LoadRequest) -> None:
    """Refuse a SavedModel folder whose graphs would run code or write files.

    Raises:
        ModelError: naming the nodes, or if saved_model.pb is damaged.
    """
    path = Path(request.source) / "saved_model.pb"
    try:
        nodes = list(protobuf.saved_model_nodes(path.read_bytes()))
    except ValueError as error:
        raise ModelError(
            f"{path}: damaged: {error}",
            hint="the download or copy did not finish; fetch the folder again",
        ) from error
    refuse_code(nodes, request)


def refuse_code(nodes: Iterable[tuple[str, str]], request: LoadRequest) -> None:
    """Refuse a graph that would run code or write files.

    Args:
        nodes: name and operator of each node, those of functions included.
        request: whether code is allowed.

    Raises:
        ModelError: naming the nodes.
    """
    if request.allow_custom_code:
        return
    found = [f"{name} ({op})" for name, op in nodes if op in _CODE]
    if found:
        raise ModelError(
            f"the graph runs code of its own: {listed(found, 4)}",
            hint=ALLOW_HINT,
            topic="custom-code",
        )
