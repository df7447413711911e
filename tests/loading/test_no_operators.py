"""A model that computes nothing; damage to an output's name in an ONNX file led to one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coral_action.errors import ModelError
from coral_action.isolation import run_isolated, workspace
from coral_action.tflite import pack, unpack


def loaded(source: Path, target: Path) -> dict[str, Any]:
    request = {
        "source": str(source),
        "signature": None,
        "inputs": {},
        "outputs": [],
        "input_shapes": {},
        "constants": {},
        "allow_custom_code": False,
        "output": str(target),
    }
    task = "coral_action.loading.child:load_task"
    everything = workspace(None)
    return run_isolated(
        task, request, stage="loading", writable=[target.parent], reading=everything
    )


def test_what_is_put_in_comes_out(zoo: Path, tmp_path: Path) -> None:
    model = unpack((zoo / "float.tflite").read_bytes())
    assert loaded(zoo / "float.tflite", tmp_path / "whole.tflite")["format"] == "tflite"
    (graph,) = model.subgraphs
    graph.operators, graph.outputs = [], graph.inputs
    for signature in model.signatureDefs or []:
        for output in signature.outputs:
            output.tensorIndex = int(graph.inputs[0])
    empty = tmp_path / "empty.tflite"
    empty.write_bytes(pack(model))
    with pytest.raises(ModelError, match="the model has no operators"):
        loaded(empty, tmp_path / "out.tflite")
    assert not (tmp_path / "out.tflite").exists()
