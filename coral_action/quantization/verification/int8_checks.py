"""Is it really full-integer? Each check is one function that returns all it finds, not the first.

TensorFlow's converter leaves float operators behind without a word wherever an operator has no
int8 kernel, so nothing is handed on before these checks have passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from coral_action.findings import Finding, Severity
from coral_action.tflite import DETECTIONS, Operator, TfliteModel, detection_operators

Check = Callable[[TfliteModel], Iterator[Finding]]

_FLOAT_TYPES = frozenset({"FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16", "COMPLEX64", "COMPLEX128"})
_QUANTIZED_TYPES = frozenset({"INT8", "UINT8", "INT16"})
# No trained network comes near; float32 itself ends at 3.4e38.
_ABSURD_SCALE = 1e20
# Operators whose third input is a bias: int32, scale = input scale * weight scale.
_WITH_BIAS = {"CONV_2D": 2, "DEPTHWISE_CONV_2D": 2, "FULLY_CONNECTED": 2, "TRANSPOSE_CONV": 3}


def float_tensors(model: TfliteModel) -> Iterator[Finding]:
    """CQ201: an operator reads or writes a float tensor, so it runs in float.

    DEQUANTIZE and QUANTIZE around it are only the consequence. TFLite_Detection_PostProcess may.
    """
    for operator in model.operators:
        if operator.name in ("DEQUANTIZE", "QUANTIZE", DETECTIONS):
            continue
        names = [
            model.tensors[i].name
            for i in (*operator.inputs, *operator.outputs)
            if i >= 0 and model.tensors[i].type in _FLOAT_TYPES
        ]
        if names:
            yield _error(
                "CQ201",
                f"{label(operator)} works on float tensors: {_listed(names)}",
                "this operator has no int8 kernel: replace it, or set `outputs` before it",
                operator,
                names[0],
            )


def dequantize_operators(model: TfliteModel) -> Iterator[Finding]:
    """CQ202: a DEQUANTIZE operator goes back to float in the middle of the model.

    One whose result only TFLite_Detection_PostProcess reads may.
    """
    allowed = detection_operators(model)
    for operator in model.operators:
        if operator.name == "DEQUANTIZE" and operator.index not in allowed:
            tensor = model.tensors[operator.outputs[0]].name
            yield _error(
                "CQ202",
                f"{label(operator)} goes back to float at tensor {tensor}",
                "what follows has no int8 kernel: replace it, or set `outputs` before it",
                operator,
                tensor,
            )


def io_types(model: TfliteModel) -> Iterator[Finding]:
    """CQ203: an input or output is not an 8-bit integer.

    Indices and masks need not be, nor the outputs of TFLite_Detection_PostProcess.
    """
    detections = {i for op in model.operators if op.name == DETECTIONS for i in op.outputs}
    for kind, names in (("input", model.input_names()), ("output", model.output_names())):
        for name, index in names.items():
            tensor = model.tensors[index]
            if index in detections and tensor.type == "FLOAT32":
                continue
            if tensor.type not in ("INT8", "UINT8", "INT32", "INT64", "BOOL"):
                yield Finding(
                    "CQ203",
                    Severity.ERROR,
                    f"{kind} {name} is {tensor.type}, not INT8",
                    "the model was not quantized as a whole",
                    tensor=tensor.name,
                )


def bias_types(model: TfliteModel) -> Iterator[Finding]:
    """CQ204: a bias is not int32, the only type that the int8 kernels add."""
    for operator in model.operators:
        position = _WITH_BIAS.get(operator.name)
        if position is None or len(operator.inputs) <= position or operator.inputs[position] < 0:
            continue
        bias = model.tensors[operator.inputs[position]]
        if bias.type != "INT32":
            yield _error(
                "CQ204",
                f"{label(operator)} has a bias of {bias.type}: {bias.name}",
                "a bias must be a constant, so that it can be quantized to INT32",
                operator,
                bias.name,
            )


def scales(model: TfliteModel) -> Iterator[Finding]:
    """CQ205: an 8- or 16-bit tensor that operators use has no scale, or one that is not above 0."""
    used = {i for op in model.operators for i in (*op.inputs, *op.outputs) if i >= 0}
    for index in sorted(used | set(model.inputs) | set(model.outputs)):
        tensor = model.tensors[index]
        if tensor.type not in _QUANTIZED_TYPES:
            continue
        if not tensor.scales or not all(0 < scale < float("inf") for scale in tensor.scales):
            yield Finding(
                "CQ205",
                Severity.ERROR,
                f"tensor {tensor.name} has no usable scale",
                "it was not reached by the representative dataset, or it is always zero",
                tensor=tensor.name,
            )


def hybrid_operators(model: TfliteModel) -> Iterator[Finding]:
    """CQ208: an operator has 8-bit weights and float activations (dynamic-range quantization)."""
    for operator in model.operators:
        tensors = [model.tensors[i] for i in operator.inputs if i >= 0]
        weights = [t for t in tensors if t.is_constant and t.type in _QUANTIZED_TYPES and t.scales]
        activations = [t for t in tensors if not t.is_constant and t.type in _FLOAT_TYPES]
        if weights and activations and operator.name not in ("DEQUANTIZE", "QUANTIZE", DETECTIONS):
            yield _error(
                "CQ208",
                f"{label(operator)} is hybrid: weights {weights[0].name} are {weights[0].type}, "
                f"activations {activations[0].type}",
                "the source was quantized before: start from the float model",
                operator,
                weights[0].name,
            )


def half_floats(model: TfliteModel) -> Iterator[Finding]:
    """CQ209: a tensor is FLOAT16 (float16 quantization)."""
    for tensor in model.tensors:
        if tensor.type in ("FLOAT16", "BFLOAT16"):
            yield Finding(
                "CQ209",
                Severity.ERROR,
                f"tensor {tensor.name} is {tensor.type}",
                "the source was quantized to half floats before: start from the float32 model",
                tensor=tensor.name,
            )


def saturated_scales(model: TfliteModel) -> Iterator[Finding]:
    """CQ210: a scale so large that only an absurd weight or activation can have caused it."""
    for tensor in model.tensors:
        if tensor.scales and max(tensor.scales) > _ABSURD_SCALE:
            yield Finding(
                "CQ210",
                Severity.ERROR,
                f"tensor {tensor.name} has the scale {max(tensor.scales):.3g}: its values reach "
                f"{max(tensor.scales) * 127:.3g}",
                "a weight or an activation has run away: look at the float model",
                tensor=tensor.name,
            )


def signature_ends(model: TfliteModel) -> Iterator[Finding]:
    """CQ212: a signature names a tensor that is no input, or no output, of the model."""
    for signature in model.signatures:
        for kind, named, held in (
            ("input", signature.inputs, model.inputs),
            ("output", signature.outputs, model.outputs),
        ):
            for name, index in named.items():
                if index not in held:
                    yield Finding(
                        "CQ212",
                        Severity.ERROR,
                        f"signature {signature.key} names tensor {index} as its {kind} {name}, "
                        f"which is no {kind} of the model",
                        "the file is damaged: export or convert the model again",
                    )


def static_shapes(model: TfliteModel) -> Iterator[Finding]:
    """CQ206: a tensor has an open dimension; the Edge TPU compiler takes static shapes only."""
    for tensor in model.tensors:
        if -1 in tensor.shape:
            yield Finding(
                "CQ206",
                Severity.ERROR,
                f"tensor {tensor.name} has the open shape {list(tensor.shape)}",
                "give the inputs fixed shapes in coral.yml: `inputs: {name: [1, ...]}`",
                tensor=tensor.name,
            )


def one_subgraph(model: TfliteModel) -> Iterator[Finding]:
    """CQ207: there are further subgraphs (control flow), which the Edge TPU compiler refuses."""
    if model.subgraph_count != 1:
        yield Finding(
            "CQ207",
            Severity.ERROR,
            f"the model has {model.subgraph_count} subgraphs",
            "loops and branches can't be mapped: unroll them before the export",
        )


CHECKS: tuple[Check, ...] = (
    float_tensors,
    dequantize_operators,
    io_types,
    bias_types,
    scales,
    hybrid_operators,
    half_floats,
    saturated_scales,
    signature_ends,
    static_shapes,
    one_subgraph,
)


def label(operator: Operator) -> str:
    """How an operator is named to users: kind and place in the file."""
    return f"{operator.name} (operator {operator.index})"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _error(id_: str, message: str, advice: str, operator: Operator, tensor: str) -> Finding:
    return Finding(id_, Severity.ERROR, message, advice, operator=label(operator), tensor=tensor)
