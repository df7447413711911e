"""What is wrong with a float model that no quantizer can mend."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coral_action.findings import Finding, Severity
from coral_action.tflite import Operator, Tensor, TfliteModel

# Beyond this a weight is a bug in training or export; one is enough to ruin its channel's scale.
_ABSURD = 1e20


# What is multiplied and summed up: a huge value among these is a fault and no mask.
_WEIGHTED = frozenset(
    {"CONV_2D", "CONV_3D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"}
)


def constants(model: TfliteModel) -> Iterator[Finding]:
    """CQ211: a constant that is read holds NaN, infinity or an absurdly large value."""
    for tensor in model.tensors:
        user = next((op for op in model.operators if tensor.index in op.inputs), None)
        if user is None or (worst := _worst(tensor)) is None:
            continue
        what, hint = _meaning(tensor, user)
        yield Finding(
            "CQ211",
            Severity.ERROR,
            f"{what} {tensor.name} of {user.name} (operator {user.index}) holds {worst:g}",
            hint,
            operator=f"{user.name} (operator {user.index})",
            tensor=tensor.name,
        )


def _meaning(tensor: Tensor, user: Operator) -> tuple[str, str]:
    """What a constant with a value that can't be quantized is, and what to do about it."""
    if user.name == "PADV2" and tensor.index == user.inputs[2]:
        return (
            "padding value",
            "int8 can't hold it beside the pixels: pad with 0, which changes no maximum behind a "
            "ReLU, or let the pool pad (padding='same'); rewrites do that where it is exact",
        )
    if user.name not in _WEIGHTED and _is_mask(tensor):
        return (
            "mask",
            "int8 can't hold it beside the values that it masks: export the model with a mask "
            "that is just low enough, such as -100",
        )
    return "constant", "the float model is broken: train or export it again"


def _is_mask(tensor: Tensor) -> bool:
    """Whether all that is absurd about a constant is one negative value."""
    values = tensor.array()
    absurd = np.unique(values[~(np.abs(values) <= _ABSURD)])
    return bool(absurd.size == 1 and absurd[0] < 0)


def _worst(tensor: Tensor) -> float | None:
    """The value that can't be quantized, or None."""
    if tensor.data is None or tensor.type not in ("FLOAT32", "FLOAT64", "FLOAT16"):
        return None
    values = tensor.array()
    # Minimum and maximum hand NaN on; -inf and inf are at the ends.
    ends = [float(values.min()), float(values.max())] if values.size else []
    return next((end for end in ends if not np.isfinite(end) or abs(end) > _ABSURD), None)
