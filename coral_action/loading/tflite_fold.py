"""A .tflite made static and float: sizes filled in, constants computed, weights expanded.

Converters of other years leave SHAPE/STRIDED_SLICE/PACK chains behind an open batch dimension, and
DEQUANTIZE behind float16 weights. Once all sizes are known both are constants: the model is run
once on zeros, and what does not depend on the inputs is read off.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest, OpenInput, check_names, static_input
from coral_action.loading.tflite_graph import compact, set_value
from coral_action.tflite import Operator, TfliteModel, pack, read_model, schema

# Operators whose result depends on the shape of their input only.
_OF_SHAPES = frozenset({"SHAPE", "RANK"})
_RANDOM = frozenset({"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"})
_WEIGHT_TYPES = frozenset({"INT8", "UINT8", "FLOAT16"})


def make_static(model: Any, request: LoadRequest) -> bool:
    """Fix every shape and compute what is constant, in place.

    Returns:
        Whether anything was changed.

    Raises:
        ModelError: if an input's size is neither in the file nor in coral.yml, or TFLite can't run
            the model at that size.
    """
    view = read_model(pack(model))
    shapes = _input_shapes(view, request)
    resized = {i: s for i, s in shapes.items() if view.tensors[i].shape != s}
    constants = _constant_operators(view)
    is_open = any(-1 in tensor.shape for tensor in view.tensors)
    if not (resized or constants or is_open):
        return False
    interpreter = _run_on_zeros(pack(model), shapes)
    graph = model.subgraphs[0]
    for tensor, detail in zip(
        graph.tensors, _details(interpreter, len(graph.tensors)), strict=True
    ):
        tensor.shape = [int(size) for size in detail["shape"]]
        tensor.shapeSignature = None
    for operator in constants:
        for index in operator.outputs:
            set_value(model, graph.tensors[index], interpreter.get_tensor(index))
    gone = {operator.index for operator in constants}
    graph.operators = [op for index, op in enumerate(graph.operators) if index not in gone]
    compact(model)
    return True


def restore_float_weights(model: Any, view: TfliteModel) -> list[str]:
    """Make compressed weights of float operators float32 again, in place.

    real = scale * (stored - zero point), per tensor or along `quantized_dimension` (TFLite 8-bit
    quantization specification).

    Returns:
        The names of the tensors that were changed.

    Raises:
        ModelError: for weights in a form that is not known here.
    """
    graph = model.subgraphs[0]
    weights = {
        index
        for operator in view.operators
        if all(view.tensors[i].type == "FLOAT32" for i in operator.outputs)
        for index in operator.inputs
        if index >= 0 and view.tensors[index].is_constant
        if view.tensors[index].scales or view.tensors[index].type == "FLOAT16"
    }
    for index in sorted(weights):
        tensor = view.tensors[index]
        if tensor.type not in _WEIGHT_TYPES:
            raise ModelError(
                f"weights {tensor.name} are compressed to {tensor.type}, which can't be expanded",
                hint="name the float model that this .tflite was made from",
            )
        value = tensor.array().astype(np.float32)
        if tensor.scales:
            axes = [1] * value.ndim
            if len(tensor.scales) > 1:
                axes[tensor.quantized_dimension] = len(tensor.scales)
            scales = np.array(tensor.scales, np.float32).reshape(axes)
            zero_points = np.array(tensor.zero_points or [0], np.float32)
            value = scales * (value - zero_points.reshape(axes if zero_points.size > 1 else -1))
        set_value(model, graph.tensors[index], value.astype(np.float32).reshape(tensor.shape))
        graph.tensors[index].type = schema().TensorType.FLOAT32
        graph.tensors[index].quantization = None
    for operator in graph.operators:
        if hasattr(operator.builtinOptions, "asymmetricQuantizeInputs"):
            operator.builtinOptions.asymmetricQuantizeInputs = False
    compact(model)
    return [view.tensors[index].name for index in sorted(weights)]


def _input_shapes(view: TfliteModel, request: LoadRequest) -> dict[int, tuple[int, ...]]:
    """The static shape of each input, by tensor index."""
    names = view.input_names()
    check_names("input", list(request.input_shapes), list(names))
    shapes = {}
    for name, index in names.items():
        tensor = view.tensors[index]
        known = [None if size == -1 else size for size in tensor.shape]
        shapes[index] = static_input(OpenInput(name, known, tensor.dtype), request).shape
    return shapes


def _constant_operators(view: TfliteModel) -> list[Operator]:
    """The operators whose results don't depend on what is fed to the model."""
    constant = {tensor.index for tensor in view.tensors if tensor.is_constant}
    found = []
    for operator in view.operators:
        given = [index for index in operator.inputs if index >= 0]
        fixed = operator.name in _OF_SHAPES or (bool(given) and constant.issuperset(given))
        if fixed and operator.name not in _RANDOM and not set(operator.outputs) & set(view.outputs):
            constant.update(operator.outputs)
            found.append(operator)
    return found


def _run_on_zeros(content: bytes, shapes: dict[int, tuple[int, ...]]) -> Any:
    """An interpreter that ran the model once, with the values of all tensors kept."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that all tensors are kept is meant, whatever it costs
        interpreter = Interpreter(
            model_content=content,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    try:
        for index, shape in shapes.items():
            interpreter.resize_tensor_input(index, list(shape))
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        interpreter.invoke()
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise ModelError(
            f"TFLite can't run this model at {[list(s) for s in shapes.values()]}: {reason[:200]}",
            hint="correct the shapes under `inputs` in coral.yml",
        ) from error
    return interpreter


def _details(interpreter: Any, count: int) -> list[dict[str, Any]]:
    """What litert says of each tensor; scratch tensors that it adds come after the model's own."""
    found = {int(item["index"]): item for item in interpreter.get_tensor_details()}
    return [found[index] for index in range(count)]
