"""SavedModels without importing TensorFlow: the converter reads the folder by itself.

For a plain SavedModel (one signature, no control flow, nothing that depends on the batch size) the
converter's own import gives the same operators as the recipe, in a third of the time and memory.
Its batch dimension is open; the interpreter works out all shapes for a batch of 1. Whatever is not
plain is left to the recipe, which also has the better error messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from coral_action.converter_api import converter_api
from coral_action.errors import ModelError
from coral_action.tflite import TfliteModel, pack, read_model, unpack

Shape = tuple[int, ...]

_DEFAULT_SIGNATURE = "serving_default"
# Shapes at run time, variables and control flow: the recipe's part.
_NOT_PLAIN = """
    ASSIGN_VARIABLE CALL CALL_ONCE HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT HASHTABLE_SIZE IF RANK
    READ_VARIABLE SHAPE VAR_HANDLE WHILE
"""


def convert_saved_model(
    source: str, signature: str | None, shapes: Mapping[str, Shape | None]
) -> bytes | None:
    """A static, batch-1 float .tflite of a SavedModel; None where the recipe has to do it.

    Args:
        source: the folder.
        signature: the one to take; "serving_default" when left out.
        shapes: what coral.yml says of inputs; a name that the model does not have is left to the
            recipe to complain of.
    """
    try:
        content = _convert(source, signature or _DEFAULT_SIGNATURE)
        model = read_model(content)
        if not _is_plain(model) or not set(shapes) <= set(model.input_names()):
            return None
        static = {
            index: _static(model.tensors[index].shape, shapes.get(name))
            for name, index in model.input_names().items()
        }
        result = _make_static(content, static)
    except Exception:  # the converter raises plain Exception, litert ValueError and RuntimeError
        return None
    return None if any(-1 in tensor.shape for tensor in read_model(result).tensors) else result


def _static(known: Shape, wanted: Shape | None) -> Shape:
    """The shape of an input with a batch of 1.

    Raises:
        ModelError: if dimensions stay open, or contradict each other; the recipe says it better.
    """
    shape = wanted or (1, *known[1:])
    fits = len(shape) == len(known) and all(k in (-1, s) for k, s in zip(known, shape, strict=True))
    if not fits or shape[0] != 1 or -1 in shape:
        raise ModelError("not a static shape with a batch of 1")
    return shape


def _convert(source: str, signature: str) -> bytes:
    """What `TFLiteConverter.from_saved_model(source, [signature]).convert()` does in the end.

    The flags are those that TensorFlow 2.21 sends (tensorflow/lite/python/convert.py).
    """
    api = converter_api()
    from tensorflow.compiler.mlir.lite import (
        converter_flags_pb2,
        model_flags_pb2,
        types_pb2,
    )
    from tensorflow.compiler.mlir.quantization.tensorflow.python import pywrap_function_lib

    model = model_flags_pb2.ModelFlags(
        saved_model_dir=source,
        saved_model_version=1,
        saved_model_tags=["serve"],
        saved_model_exported_names=[signature],
    )
    flags = converter_flags_pb2.ConverterFlags(
        input_format=converter_flags_pb2.TENSORFLOW_GRAPHDEF,
        output_format=converter_flags_pb2.TFLITE,
        inference_type=types_pb2.FLOAT,
        inference_input_type=types_pb2.FLOAT,
        drop_control_dependency=True,
        enable_tflite_resource_variables=True,
        lower_tensor_list_ops=True,
        unfold_batchmatmul=False,
        enable_composite_direct_lowering=True,
        canonicalizing_inf_as_min_max_float=True,
    )
    content = api.Convert(
        model.SerializeToString(),
        flags.SerializeToString(),
        None,
        False,  # extended_return
        None,  # debug info
        pywrap_function_lib.PyFunctionLibrary(),
    )
    return bytes(content)


def _is_plain(model: TfliteModel) -> bool:
    names = {operator.name for operator in model.operators}
    custom = any(name.startswith(("CUSTOM", "UNKNOWN")) for name in names)
    read = {index for operator in model.operators for index in operator.inputs}
    return (
        model.subgraph_count == 1
        and len(model.signatures) == 1
        and not custom
        and set(model.inputs) <= read  # the recipe drops the others, and says so
        and names.isdisjoint(_NOT_PLAIN.split())
    )


def _make_static(content: bytes, shapes: dict[int, tuple[int, ...]]) -> bytes:
    """The same model with every tensor's shape worked out from those of the inputs.

    Raises:
        ModelError: if a shape is only known when the model runs.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content,
        num_threads=1,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for index, shape in shapes.items():
        interpreter.resize_tensor_input(index, list(shape))
    interpreter.allocate_tensors()
    known: dict[int, Any] = {
        int(detail["index"]): detail for detail in interpreter.get_tensor_details()
    }
    model = unpack(content)
    for index, tensor in enumerate(model.subgraphs[0].tensors):
        signature = tensor.shapeSignature
        if signature is None or -1 not in [int(d) for d in signature]:
            continue
        if index not in known or -1 in [int(d) for d in known[index]["shape_signature"]][1:]:
            raise ModelError("a shape depends on values")
        tensor.shape = np.asarray(known[index]["shape"], dtype=np.int32)
        tensor.shapeSignature = None
    return pack(model)
