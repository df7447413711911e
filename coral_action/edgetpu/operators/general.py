"""Rules about every operator: does the Edge TPU have it, and can it take these tensors."""

from __future__ import annotations

from collections.abc import Iterator

from coral_action.edgetpu.operators.rule import (
    CUT_ADVICE,
    ISSUES,
    SUPPORTED_OPERATORS,
    Effect,
    Problem,
    View,
    rule,
    static_shape,
)
from coral_action.edgetpu.operators.support import ADVICE, SUPPORTED_SINCE
from coral_action.edgetpu.operators.versions import KNOWN_CUSTOM, NEWEST_VERSIONS
from coral_action.tflite import DETECTIONS, detection_operators

_MAPPED_TYPES = ("INT8", "UINT8")
_RECURRENT = ("LSTM", "UNIDIRECTIONAL_SEQUENCE_LSTM")
_OLDEST_RUNTIME_FOR_INT8 = 12
_INNERMOST = 3
_WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")

# Inputs that fix the shape of the output: (operator, position).
_SHAPE_INPUTS = {
    "RESHAPE": 1,
    "EXPAND_DIMS": 1,
    "RESIZE_BILINEAR": 1,
    "RESIZE_NEAREST_NEIGHBOR": 1,
    "PAD": 1,
    "TILE": 1,
    "TRANSPOSE": 1,
    "MEAN": 1,
    "SUM": 1,
    "REDUCE_MAX": 1,
    "REDUCE_MIN": 1,
    "SPLIT": 0,
    "STRIDED_SLICE": 1,
    "SLICE": 2,
    "TRANSPOSE_CONV": 0,
}


@rule("CQ101")
def supported(view: View) -> Iterator[Problem]:
    """The Edge TPU has the operator.

    Operators that are not in Coral's table run on the CPU, and so does all that depends on them
    (CQ108). Custom operators always run on the CPU: TFLite_Detection_PostProcess, which ends
    detectors, among them, and each DEQUANTIZE that feeds nothing else.
    """
    if view.name in SUPPORTED_SINCE:
        return
    if _ends_a_detector(view):
        yield Problem("the end of a detector runs in float on the CPU", "expected, nothing to do")
        return
    if view.name.startswith("CUSTOM:"):
        yield Problem("custom operators run on the CPU", "expected for post-processing operators")
        return
    yield Problem(f"{view.name} is not supported", ADVICE.get(view.name, CUT_ADVICE))


@rule("CQ102", sources=(SUPPORTED_OPERATORS, f"{ISSUES}13", f"{ISSUES}659"))
def data_types(view: View) -> Iterator[Problem]:
    """Data are int8 or uint8.

    The compiler calls it "Operation is working on an unsupported data type". A QUANTIZE from float
    at the model's input and a DEQUANTIZE at its output therefore stay on the CPU: quantize inputs
    and outputs as well. Biases are int32, shapes and axes any integer; the states of an LSTM may be
    int16.
    """
    if _ends_a_detector(view):
        return
    allowed = (*_MAPPED_TYPES, "INT16") if view.name in _RECURRENT else _MAPPED_TYPES
    seen = {tensor.type: tensor.name for tensor in reversed(view.activations)}
    seen |= {t.type: t.name for t in view.inputs if t.is_constant and t.type.startswith("FLOAT")}
    for type_, name in sorted(seen.items()):
        if type_ not in allowed:
            advice = "quantize the whole model, inputs and outputs too"
            if not type_.startswith("FLOAT"):
                advice = CUT_ADVICE
            yield Problem(f"works on {type_}, not on int8", advice, name)


@rule("CQ103", sources=(SUPPORTED_OPERATORS, f"{ISSUES}30", f"{ISSUES}75", f"{ISSUES}274"))
def rank(view: View) -> Iterator[Problem]:
    """Only the three innermost dimensions may be larger than 1.

    The compiler calls it "Tensor has unsupported rank (up to 3 innermost dimensions mapped)". A
    batch above 1 breaks the rule as well. A batch left open in the file is compiled as 1.
    """
    for tensor in view.activations:
        shape = static_shape(tensor)
        if any(size > 1 for size in shape[:-_INNERMOST]):
            text = "x".join(map(str, shape))
            advice = "keep the batch at 1 and at most three dimensions above 1; reshape before it"
            yield Problem(f"tensor of shape {text} has more than three", advice, tensor.name)
            return


@rule("CQ104", *_WITH_WEIGHTS, sources=(SUPPORTED_OPERATORS, f"{ISSUES}25"))
def constant_parameters(view: View) -> Iterator[Problem]:
    """Weights and bias are constants in the file.

    The compiler calls it "Filter, bias, or other param is not constant at compile-time". A matrix
    product of two computed tensors is a FULLY_CONNECTED without constant weights.
    """
    positions = {"weights": 1, "bias": 3 if view.name == "TRANSPOSE_CONV" else 2}
    for what, position in positions.items():
        tensor = view.input(position)
        if tensor is not None and not tensor.is_constant:
            yield Problem(f"the {what} is computed, not a constant", CUT_ADVICE, tensor.name)


@rule("CQ105", sources=(SUPPORTED_OPERATORS, f"{ISSUES}225", f"{ISSUES}358"))
def runtime_version(view: View) -> Iterator[Problem]:
    """`min_runtime_version` is not below what the operator needs.

    Each operator is supported from some version of the Edge TPU runtime on; int8 (in place of
    uint8) needs 12. With a lower `min_runtime_version` the compiler succeeds and maps less, or
    nothing.
    """
    wanted = view.target.min_runtime_version
    needs = SUPPORTED_SINCE.get(view.name, 0)
    advice = "raise or drop edge_tpu.min_runtime_version"
    if wanted < needs:
        yield Problem(f"needs runtime {needs}, min_runtime_version is {wanted}", advice)
    if wanted < _OLDEST_RUNTIME_FOR_INT8 and any(t.type == "INT8" for t in view.activations):
        yield Problem(
            f"int8 needs runtime {_OLDEST_RUNTIME_FOR_INT8}, min_runtime_version is {wanted}",
            advice,
        )


@rule(
    "CQ106",
    effect=Effect.REFUSED,
    sources=(f"{ISSUES}631", f"{ISSUES}879", f"{ISSUES}845", f"{ISSUES}147"),
)
def operator_version(view: View) -> Iterator[Problem]:
    """Compiler 16.0 can read this version of the operator.

    It links TensorFlow Lite 2.5.0. A newer version of an operator, or an operator from later, ends
    in "Didn't find op for builtin opcode" and the file is refused as a whole.
    """
    if view.name.startswith("CUSTOM:"):
        code = view.name.removeprefix("CUSTOM:")
        if code not in KNOWN_CUSTOM:
            yield Problem(f"the compiler does not know the custom operator {code}", CUT_ADVICE)
        return
    newest = NEWEST_VERSIONS.get(view.name)
    version = view.operator.version
    if newest is None:
        yield Problem(
            f"{view.name} is newer than compiler 16.0, which refuses the file",
            ADVICE.get(view.name, CUT_ADVICE),
        )
    elif version > newest:
        yield Problem(
            f"version {version} is newer than compiler 16.0, which knows up to {newest}",
            _VERSION_ADVICE.get((view.name, version), "avoid the feature that needs this version"),
        )


_VERSION_ADVICE = {
    ("CONV_2D", 6): "a grouped convolution: split it, or use a plain or depthwise one",
    ("TRANSPOSE_CONV", 4): "keep the activation apart from the transposed convolution",
    ("QUANTIZE", 3): "it works on int16 or float16: use int8 all through",
}


@rule("CQ107", *_SHAPE_INPUTS, effect=Effect.REFUSED, sources=(f"{ISSUES}829",))
def static_sizes(view: View) -> Iterator[Problem]:
    """Sizes are fixed in the file.

    A shape that is computed at run time makes the tensor dynamic, and the compiler refuses the file
    ("Attempting to use a delegate that only supports static-sized tensors"). It comes from a batch
    or an image size that was left open when the model was exported.
    """
    position = _SHAPE_INPUTS[view.name]
    tensor = view.input(position)
    if tensor is not None and not tensor.is_constant:
        yield Problem(
            "its shape is computed at run time",
            "export with fixed input shapes: name them under `inputs` in coral.yml",
            tensor.name,
        )


def _ends_a_detector(view: View) -> bool:
    candidate = view.name in ("DEQUANTIZE", DETECTIONS)
    return candidate and view.operator.index in detection_operators(view.model)
