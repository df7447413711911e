"""The reader of saved_model.pb that needs no TensorFlow sees every node that TensorFlow sees."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coral_action.errors import ModelError
from coral_action.loading.graph_code import check_saved_model
from coral_action.loading.interface import LoadRequest
from coral_action.loading.protobuf import saved_model_nodes

_TENSORFLOW = """
import json, sys
from tensorflow.core.protobuf import saved_model_pb2
found = []
for path in sys.argv[1:]:
    message = saved_model_pb2.SavedModel.FromString(open(path, "rb").read())
    for meta in message.meta_graphs:
        graph = meta.graph_def
        for nodes in (graph.node, *(f.node_def for f in graph.library.function)):
            found += [[node.name, node.op] for node in nodes]
print(json.dumps(found))
"""


def test_same_nodes_as_tensorflow(zoo: Path, digits: Path) -> None:
    folders = [zoo / name for name in ("saved", "two", "tf1", "with_python", "looping")]
    paths = [folder / "saved_model.pb" for folder in (*folders, digits / "saved_model")]
    run = subprocess.run(
        [sys.executable, "-c", _TENSORFLOW, *map(str, paths)],
        check=True,
        capture_output=True,
        text=True,
    )
    expected = [tuple(item) for item in json.loads(run.stdout.splitlines()[-1])]
    found = [node for path in paths for node in saved_model_nodes(path.read_bytes())]
    assert len(found) > 500
    # Functions come after the nodes of their graph in both.
    assert found == expected


def test_code_in_a_function_is_found_without_tensorflow(zoo: Path) -> None:
    with pytest.raises(ModelError, match=r"PyFunc \(PyFunc\)"):
        check_saved_model(LoadRequest(str(zoo / "with_python"), "saved_model"))
    allowed = LoadRequest(str(zoo / "with_python"), "saved_model", allow_custom_code=True)
    check_saved_model(allowed)


@pytest.mark.parametrize("content", [b"\x08", b"\x12\x05ab", b"\x0f", b"\x08" + b"\xff" * 11])
def test_damaged(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"ends too early|wire type|without end"):
        list(saved_model_nodes(content))
