"""The task of the child process that loads a model: TensorFlow begins and ends here."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coral_action.converter_api import forget_stubs
from coral_action.errors import ModelError
from coral_action.isolation import ProgressCallback
from coral_action.loading import formats
from coral_action.loading.conversion_check import conversion_error, conversion_findings
from coral_action.loading.float_model import FloatModel, interface_of
from coral_action.loading.graph_code import check_saved_model
from coral_action.loading.interface import Loaded, LoadRequest
from coral_action.loading.light import convert_saved_model
from coral_action.tflite import TfliteModel, pack, read_model, unpack

if TYPE_CHECKING:
    from coral_action.loading.recipe import Frozen

# The topic of the error of `check_names`.
_UNKNOWN_NAME = "name-not-in-the-model"
# The module of each format that goes through TensorFlow; its `load` returns a `Traceable`.
_LOADERS = {
    formats.SAVED_MODEL: "saved_model",
    formats.FROZEN_GRAPH: "frozen_graph",
    formats.KERAS: "keras_model",
    formats.KERAS_H5: "keras_model",
    formats.ONNX: "onnx_model",
}


def load_request(request: dict[str, Any]) -> LoadRequest:
    """What coral.yml says of a model, from plain data; tells its format.

    Raises:
        ModelError: if it is nothing that can be loaded.
    """
    kind, source = formats.detect_format(Path(request["source"]))
    return LoadRequest(
        source=str(source),
        format=kind,
        signature=request["signature"],
        inputs={
            name: None if shape is None else tuple(shape)
            for name, shape in request["inputs"].items()
        },
        outputs=tuple(request["outputs"]),
        input_shapes={name: tuple(s) for name, s in request["input_shapes"].items()},
        constants=request["constants"],
        allow_custom_code=request["allow_custom_code"],
    )


def load_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """Write the float .tflite of a model to `request["output"]` and return its `FloatModel`."""
    wanted = load_request(request)
    loaded = load(wanted)
    model = read_model(loaded.content)
    _refuse_empty(model)
    _refuse_dynamic(model)
    target = Path(request["output"])
    target.write_bytes(loaded.content)
    result = FloatModel(
        path=target,
        format=wanted.format,
        **interface_of(model),
        already_quantized=loaded.already_quantized,
        conversion_checked=loaded.conversion_checked,
        findings=loaded.findings,
    )
    return result.to_json()


def load(request: LoadRequest) -> Loaded:
    """A model of any format as a flatbuffer.

    Raises:
        ModelError: if it can't be loaded or converted.
    """
    if request.signature is not None and request.format not in (
        formats.SAVED_MODEL,
        formats.TFLITE,
    ):
        raise ModelError(
            f"a {request.format} file has no signatures",
            hint="remove `signature` from coral.yml, and name `inputs` or `outputs` where needed",
        )
    if request.format == formats.SAVED_MODEL:
        check_saved_model(request)  # before anything loads the folder
    if request.format == formats.TFLITE:
        from coral_action.loading import tflite_model

        return tflite_model.load(request)
    if request.format == formats.SAVED_MODEL and not request.outputs and not request.constants:
        shapes = {**request.inputs, **request.input_shapes}
        if content := convert_saved_model(request.source, request.signature, shapes):
            return Loaded(content, conversion_checked=False)
    forget_stubs()
    from coral_action.loading.recipe import convert

    try:
        frozen = open_frozen(request)
    except ModelError as unknown:
        if not request.outputs or unknown.topic != _UNKNOWN_NAME:
            raise
        return _cut_converted(request, unknown)
    loaded = convert(frozen)
    error = conversion_error(frozen.run, loaded.content, frozen.inputs)
    return replace(loaded, findings=(*loaded.findings, *conversion_findings(error)))


def _cut_converted(request: LoadRequest, unknown: ModelError) -> Loaded:
    """The model cut at tensors of its .tflite, whose names advice and reports give.

    Raises:
        ModelError: `unknown`, if there is no .tflite that has all outputs by these names.
    """
    from coral_action.loading import tflite_graph

    whole = replace(request, outputs=())
    ends = LoadRequest(request.source, request.format, outputs=request.outputs)
    try:
        loaded = load(whole)
        model = unpack(loaded.content)
        tflite_graph.cut(model, ends)
    except ModelError as other:  # also if the whole model can't be loaded: the name is to blame
        raise unknown from other
    error = None
    if not loaded.conversion_checked:  # the original can't be cut like this, so not later either
        frozen = open_frozen(whole)
        error = conversion_error(frozen.run, loaded.content, frozen.inputs)
    findings = (*loaded.findings, *conversion_findings(error))
    return Loaded(pack(model), findings=findings)


def open_frozen(request: LoadRequest) -> Frozen:
    """The model in TensorFlow, static and with constant weights.

    Raises:
        ModelError: if it can't be loaded, or TensorFlow is not what it is made for.
    """
    from coral_action.loading.recipe import freeze

    if request.format not in _LOADERS:
        raise ModelError(
            f"a {request.format} model has no original in TensorFlow",
            hint="leave `evaluation.reference` out, or name a .tflite",
        )
    if request.format == formats.SAVED_MODEL:
        check_saved_model(request)
    loader = importlib.import_module(f"coral_action.loading.{_LOADERS[request.format]}")
    return freeze(loader.load(request), request)


def _refuse_empty(model: TfliteModel) -> None:
    """Refuse a model that computes nothing, as damage to a name of an output can make it.

    Raises:
        ModelError: if it has no operators.
    """
    if not model.operators:
        raise ModelError(
            "the model has no operators: what it gives out is what is put in",
            hint="name what it computes under `outputs` in coral.yml, or export it again",
        )


def _refuse_dynamic(model: TfliteModel) -> None:
    """Refuse what the Edge TPU compiler would refuse later, and say less about.

    Raises:
        ModelError: if there are further subgraphs, or sizes that depend on the data.
    """
    if model.subgraph_count != 1:
        raise ModelError(
            f"the model has {model.subgraph_count} subgraphs: control flow, which the Edge TPU "
            "can't run",
            hint="unroll loops before the export, or cut them off with `inputs` and `outputs`",
            topic="control-flow",
        )
    for tensor in model.tensors:
        if -1 in tensor.shape:
            raise ModelError(
                f"dynamic shape: tensor {tensor.name} has {list(tensor.shape)}, a size that "
                "depends on the data",
                hint="the Edge TPU takes static shapes: cut the model before it with `outputs`",
            )
