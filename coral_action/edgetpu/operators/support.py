"""The operators that the Edge TPU has, and since which runtime version.

Source, for compiler 16.0 and runtime 14:
https://coral.ai/docs/edgetpu/models-intro/#supported-operations
TILE is not in that table but was seen mapped (google-coral/test_data, a DeepLab model).
"""

from __future__ import annotations

_ALWAYS = 10

SUPPORTED_SINCE = {
    "ADD": _ALWAYS,
    "AVERAGE_POOL_2D": _ALWAYS,
    "CONCATENATION": _ALWAYS,
    "CONV_2D": _ALWAYS,
    "DEPTHWISE_CONV_2D": _ALWAYS,
    "EXPAND_DIMS": 13,
    "FULLY_CONNECTED": _ALWAYS,
    "L2_NORMALIZATION": _ALWAYS,
    "LOGISTIC": _ALWAYS,
    "LSTM": 14,
    "MAXIMUM": _ALWAYS,
    "MAX_POOL_2D": _ALWAYS,
    "MEAN": _ALWAYS,
    "MINIMUM": _ALWAYS,
    "MUL": _ALWAYS,
    "PACK": 13,
    "PAD": _ALWAYS,
    "PRELU": 13,
    "QUANTIZE": 13,
    "REDUCE_MAX": 14,
    "REDUCE_MIN": 14,
    "RELU": _ALWAYS,
    "RELU6": _ALWAYS,
    "RELU_N1_TO_1": _ALWAYS,
    "RESHAPE": _ALWAYS,
    "RESIZE_BILINEAR": _ALWAYS,
    "RESIZE_NEAREST_NEIGHBOR": _ALWAYS,
    "RSQRT": 14,
    "SLICE": _ALWAYS,
    "SOFTMAX": _ALWAYS,
    "SPACE_TO_DEPTH": _ALWAYS,
    "SPLIT": _ALWAYS,
    "SPLIT_V": _ALWAYS,
    "SQUARED_DIFFERENCE": 14,
    "SQUEEZE": _ALWAYS,
    "STRIDED_SLICE": _ALWAYS,
    "SUB": _ALWAYS,
    "SUM": 13,
    "TANH": _ALWAYS,
    "TILE": _ALWAYS,
    "TRANSPOSE": 14,
    "TRANSPOSE_CONV": 13,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": 14,
}

_RELU = "train with ReLU or ReLU6 instead"

# What to do without an operator that the Edge TPU lacks.
ADVICE = {
    "LEAKY_RELU": f"{_RELU}, or with PReLU (one alpha a channel)",
    "ELU": _RELU,
    "GELU": _RELU,
    "HARD_SWISH": f"{_RELU}; x * sigmoid(x) maps too, as LOGISTIC and MUL",
    "ARG_MAX": "end the model before it (`outputs`), and take the argmax in your own code",
    "ARG_MIN": "end the model before it (`outputs`), and take the argmin in your own code",
    "CAST": "end the model before it, or feed the type that the model works on",
    "DEQUANTIZE": "quantize the output too: int8 or uint8 output needs no DEQUANTIZE",
    "DIV": "multiply by a constant instead where the divisor is one",
    "DEPTH_TO_SPACE": "use a transposed convolution, or RESIZE_NEAREST_NEIGHBOR and a convolution",
    "BATCH_MATMUL": "use FULLY_CONNECTED with constant weights",
    "GATHER": "use slices with fixed positions",
    "GATHER_ND": "end the model before it (`outputs`), and index in your own code",
    "LOG_SOFTMAX": "use SOFTMAX; the order of the classes is the same",
    "MIRROR_PAD": "pad with zeros: PAD maps",
    "PADV2": "pad with zeros: PAD maps",
    "REVERSE_V2": "reverse the data outside of the model",
    "SPACE_TO_BATCH_ND": "use a convolution with dilation, in a TensorFlow that folds it",
    "BATCH_TO_SPACE_ND": "use a convolution with dilation, in a TensorFlow that folds it",
    "TOPK_V2": "end the model before it (`outputs`), and sort in your own code",
    "UNPACK": "use STRIDED_SLICE or SPLIT instead",
}
