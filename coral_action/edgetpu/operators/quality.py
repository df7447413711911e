"""Rules about what is mapped but may go wrong: ranges under one scale, activation sizes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coral_action.edgetpu.operators.rule import (
    ISSUES,
    Effect,
    Problem,
    View,
    elements,
    rule,
)
from coral_action.tflite import Tensor

# A quarter of the 8 bits is left for the smaller input.
_WORST_RATIO = 64.0
_SAME_VALUES = ("QUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "TRANSPOSE", "STRIDED_SLICE")
_FOLLOWED = 6


@rule(
    "CQ141",
    "CONCATENATION",
    effect=Effect.RISK,
    sources=("https://github.com/ultralytics/yolov5/pull/3630",),
)
def concatenated_ranges(view: View) -> Iterator[Problem]:
    """The inputs of a CONCATENATION have similar ranges.

    All share one scale afterwards. Where boxes in pixels (0 to 640) meet scores (0 to 1), every
    score becomes 0: the float model detects, the int8 model detects nothing. A ratio of 64 leaves
    two bits for the smaller input.
    """
    scales = {tensor.name: _own_scale(tensor, view) for tensor in view.inputs}
    known = {name: scale for name, scale in scales.items() if scale > 0}
    if len(known) < 2:
        return
    small, large = min(known, key=lambda n: known[n]), max(known, key=lambda n: known[n])
    ratio = known[large] / known[small]
    if ratio > _WORST_RATIO:
        yield Problem(
            f"its inputs' ranges differ {ratio:.0f}-fold ({large} and {small}), under one scale",
            "make them separate outputs, or scale them alike (boxes from 0 to 1)",
            small,
        )


def _own_scale(tensor: Tensor, view: View) -> float:
    """The scale that a tensor had before it was requantized, following what only moves values."""
    scale = tensor.scales[0] if tensor.scales else 0.0
    for _ in range(_FOLLOWED):
        maker = next((o for o in view.model.operators if tensor.index in o.outputs), None)
        if maker is None or maker.name not in _SAME_VALUES or tensor.is_constant:
            break
        tensor = view.model.tensors[maker.inputs[0]]
        if not tensor.scales:
            break
        scale = min(scale, tensor.scales[0]) if scale else tensor.scales[0]
    return scale


# The largest activation in a model that was seen to compile (see docs/operators.md), in bytes.
LARGEST_PASSED = 25_264_224


def activation_bytes(tensor: Tensor) -> int:
    """The size of a tensor at batch 1."""
    return elements(tensor) * (np.dtype(tensor.dtype).itemsize if tensor.dtype else 1)


@rule(
    "CQ142",
    effect=Effect.RISK,
    sources=(f"{ISSUES}512", f"{ISSUES}663", f"{ISSUES}439"),
)
def activation_size(view: View) -> Iterator[Problem]:
    """Activations are small enough for the chip, for which no limit is published.

    Too large ones end in "Compilation failed due to large activation tensors in model". It is not
    monotonic: YOLOv5s at 224, 256, 384 and 512 pixels compiles, at 352 and 480 it fails. The
    largest activation that was seen to compile has 25.3 MB; above it this risk is named, and never
    more than that.
    """
    for tensor in view.outputs:
        size = activation_bytes(tensor)
        if size > LARGEST_PASSED:
            yield Problem(
                f"an activation of {size / 1e6:.1f} MB; none above 25.3 MB was seen to compile",
                "use a smaller input, or try edge_tpu.search_delegate",
                tensor.name,
            )
