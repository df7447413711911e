"""The task of the child process that loads a model: TensorFlow begins and ends here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coral_action.converter_api import forget_stubs
from coral_action.isolation import ProgressCallback
from coral_action.loading import formats, frozen_graph, keras_model, saved_model
from coral_action.loading.float_model import FloatModel, interface_of
from coral_action.loading.light import convert_saved_model
from coral_action.loading.recipe import LoadRequest, Traceable, convert
from coral_action.tflite import read_model

LOADERS: dict[str, Callable[[LoadRequest], Traceable]] = {
    formats.SAVED_MODEL: saved_model.load,
    formats.FROZEN_GRAPH: frozen_graph.load,
    formats.KERAS: keras_model.load,
    formats.KERAS_H5: keras_model.load,
}


def load_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Write the float .tflite of a model to `request["output"]` and return its `FloatModel`."""
    target = Path(request.pop("output"))
    wanted = LoadRequest(
        source=request["source"],
        format=request["format"],
        signature=request["signature"],
        inputs={
            name: None if shape is None else tuple(shape)
            for name, shape in request["inputs"].items()
        },
        outputs=tuple(request["outputs"]),
    )
    content = None
    if wanted.format == formats.SAVED_MODEL and not wanted.outputs:
        content = convert_saved_model(wanted.source, wanted.signature, wanted.inputs)
    if content is None:
        forget_stubs()
        content = convert(LOADERS[wanted.format](wanted))
    target.write_bytes(content)
    return FloatModel(target, wanted.format, **interface_of(read_model(content))).to_json()
