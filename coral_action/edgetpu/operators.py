"""A first table of what the Edge TPU can map.

Source: "Supported operations" in https://coral.ai/docs/edgetpu/models-intro/ (compiler 16, runtime
14). Limits on shapes and parameters are not checked yet, so a prediction can be too hopeful.
"""

from __future__ import annotations

from coral_action.tflite import Operator, TfliteModel

SUPPORTED = frozenset(
    {
        "ADD",
        "AVERAGE_POOL_2D",
        "CONCATENATION",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "EXPAND_DIMS",
        "FULLY_CONNECTED",
        "L2_NORMALIZATION",
        "LOGISTIC",
        "LSTM",
        "MAXIMUM",
        "MAX_POOL_2D",
        "MEAN",
        "MINIMUM",
        "MUL",
        "PACK",
        "PAD",
        "PRELU",
        "QUANTIZE",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "RELU",
        "RELU6",
        "RELU_N1_TO_1",
        "RESHAPE",
        "RESIZE_BILINEAR",
        "RESIZE_NEAREST_NEIGHBOR",
        "RSQRT",
        "SLICE",
        "SOFTMAX",
        "SPACE_TO_DEPTH",
        "SPLIT",
        "SPLIT_V",
        "SQUARED_DIFFERENCE",
        "SQUEEZE",
        "STRIDED_SLICE",
        "SUB",
        "SUM",
        "TANH",
        "TRANSPOSE",
        "TRANSPOSE_CONV",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    }
)

_ADVICE = {
    "LEAKY_RELU": "train with ReLU or ReLU6 instead",
    "ELU": "train with ReLU or ReLU6 instead",
    "HARD_SWISH": "train with ReLU or ReLU6 instead",
    "GELU": "train with ReLU or ReLU6 instead",
    "ARG_MAX": "set `outputs` before it and take the argmax in your own code",
}
_MAPPED_TYPES = frozenset({"INT8", "UINT8"})


def why_not_mapped(operator: Operator, model: TfliteModel) -> tuple[str, str]:
    """Reason and advice for an operator that can't be mapped; two empty texts for one that can."""
    if operator.name not in SUPPORTED:
        advice = _ADVICE.get(
            operator.name, "replace it, or set `outputs` to cut the model before it"
        )
        return f"the Edge TPU has no {operator.name}", advice
    activations = [
        model.tensors[index]
        for index in (*operator.inputs, *operator.outputs)
        if index >= 0 and not model.tensors[index].is_constant
    ]
    others = sorted({tensor.type for tensor in activations} - _MAPPED_TYPES)
    if others:
        return f"it works on {', '.join(others)}, not on int8", "quantize the whole model"
    return "", ""
