"""Tensors that are zero in every calibration sample, such as behind a ReLU that has died.

TensorFlow's quantizer gives them the range of +-1e-6. A layer that reads such a tensor then has a
bias in steps so small that it may not fit into int32, and XNNPACK refuses the model, as its
multipliers end at 256. Zero is exact with any scale, so one is taken with which all of that works,
and with which int8 still follows the float model if the tensor is not zero one day.
"""

from __future__ import annotations

from coral_action.findings import Finding, Severity
from coral_action.quantization.calibrators import Ranges
from coral_action.quantization.observation import Observed
from coral_action.quantization.ranges import bounds
from coral_action.quantization.verification import label
from coral_action.tflite import Operator, TfliteModel

_NOTHING = (0.0, 0.0)
_OF_AN_INPUT = (-1.0, 1.0)  # of which nothing at all is known


def revive(model: TfliteModel, ranges: Ranges, observed: Observed) -> Ranges:
    """The ranges, with another in the place of each that is [0, 0].

    It is what was seen of the tensor, where a calibrator cut that down to nothing; else the range
    of what the tensor was computed from, cut to what its operator can yield.
    """
    seen = dict(zip(observed.tensors, observed.extremes(), strict=True))
    result = dict(ranges)
    for index in model.inputs:
        if result.get(index) == _NOTHING:
            result[index] = _OF_AN_INPUT if seen[index] == _NOTHING else seen[index]
    for operator in model.operators:
        source = next((result[i] for i in operator.inputs if i in result), _OF_AN_INPUT)
        for index in operator.outputs:
            if result.get(index) == _NOTHING:
                known = seen[index]
                result[index] = _yielded(operator, source) if known == _NOTHING else known
    return result


def _yielded(operator: Operator, source: tuple[float, float]) -> tuple[float, float]:
    least, most = bounds(operator)
    low, high = max(source[0], least), min(source[1], most)
    if low < high:
        return low, high
    # All of the source is beyond the bounds: its size, on the other side of zero.
    size = max(map(abs, source))
    return max(-size, least), min(size, most)


def dead(model: TfliteModel, observed: Observed) -> list[Finding]:
    """CQ221: tensors that are zero in every sample, without those that only hand on such a one."""
    zero = {
        index
        for index, ends in zip(observed.tensors, observed.extremes(), strict=True)
        if ends == _NOTHING
    }
    makers = {index: operator for operator in model.operators for index in operator.outputs}
    first = [
        index for index in sorted(zero) if index not in makers or not zero & {*makers[index].inputs}
    ]
    return [_finding(model, observed.samples, index, makers.get(index)) for index in first]


def _finding(model: TfliteModel, samples: int, index: int, maker: Operator | None) -> Finding:
    name = model.tensors[index].name
    given = {place: f"input {own}" for own, place in model.input_names().items()}
    shown = given.get(index, f"tensor {name.partition(';')[0]}")
    advice = (
        "its activation has died: look at the float model, and at the preprocessing of the samples"
        if maker is not None
        else "give samples in which it is used, or its range under `ranges`"
    )
    return Finding(
        "CQ221",
        Severity.WARNING,
        f"{shown} is zero in all {samples} calibration samples",
        advice,
        operator=label(maker) if maker else None,
        tensor=name,
    )
