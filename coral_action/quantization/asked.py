"""Ranges of coral.yml that the int8 model does not have, as its kernels fix or share scales."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from coral_action.findings import Finding, Severity
from coral_action.quantization.ranges import matches
from coral_action.tflite import Operator, Tensor, TfliteModel

# Whose output scale is part of the int8 kernel (TFLite 8-bit quantization specification).
_FIXED_SCALE = ("L2_NORMALIZATION", "LOGISTIC", "LOG_SOFTMAX", "SOFTMAX", "TANH")


def not_as_asked(
    model: TfliteModel,
    int8: TfliteModel,
    tensors: Sequence[int],
    wanted: Mapping[str, Sequence[float]],
) -> Iterator[Finding]:
    """CQ222: one for each key of `ranges` that some tensor did not get.

    Args:
        model: the float model.
        int8: what became of it.
        tensors: of the float model, all that have a range.
        wanted: `ranges` of coral.yml.
    """
    twins = {t.name: t for t in int8.tensors if t.scales and not t.is_constant}
    hits = matches(model, tensors, wanted)
    for pattern, (low, high) in wanted.items():
        names = [model.tensors[index].name for index, key in hits.items() if key == pattern]
        # A quantized range holds zero; both ends move by half a step at most, to meet it.
        ends, step = (min(low, 0.0), max(high, 0.0)), (max(high, 0.0) - min(low, 0.0)) / 255
        others = [
            name
            for name in names
            if name not in twins or not _close(held_range(twins[name]), ends, step)
        ]
        if others:
            yield _finding(int8, pattern, (low, high), others, twins.get(others[0]))


def held_range(tensor: Tensor) -> tuple[float, float]:
    """The least and the largest real value of an int8 tensor with one scale."""
    scale, zero = tensor.scales[0], tensor.zero_points[0]
    return (-128 - zero) * scale, (127 - zero) * scale


def _close(held: tuple[float, float], wanted: tuple[float, float], step: float) -> bool:
    return all(abs(a - b) <= step for a, b in zip(held, wanted, strict=True))


def _finding(
    int8: TfliteModel,
    pattern: str,
    wanted: tuple[float, float],
    names: list[str],
    tensor: Tensor | None,
) -> Finding:
    more = f", and {len(names) - 1} more tensors have another, too" if len(names) > 1 else ""
    if tensor is None:
        found = "is not in the int8 model: its operator was fused with others"
    else:
        low, high = held_range(tensor)
        found = f"has [{low:.4g}, {high:.4g}]: {_why(int8, tensor)}"
    return Finding(
        "CQ222",
        Severity.WARNING,
        f"ranges asks for {pattern} [{wanted[0]:g}, {wanted[1]:g}], but tensor "
        f"{names[0].partition(';')[0]} {found}{more}",
        "give the range to the tensor that decides the scale, or take the key out",
        tensor=names[0],
    )


def _why(int8: TfliteModel, tensor: Tensor) -> str:
    around = [op for op in int8.operators if tensor.index in (*op.inputs, *op.outputs)]
    for operator in around:
        if operator.name in _FIXED_SCALE and tensor.index in operator.outputs:
            return f"the int8 kernel of {operator.name} fixes it"
    for operator in around:
        other = _of_the_same_scale(int8, operator, tensor)
        if other is not None:
            shared = f"{other.name.partition(';')[0]} on the other side of {operator.name}"
            return f"it shares its scale with {shared}"
    return "the quantizer makes no such range"


def _of_the_same_scale(int8: TfliteModel, operator: Operator, tensor: Tensor) -> Tensor | None:
    near = [int8.tensors[i] for i in (*operator.inputs, *operator.outputs) if i >= 0]
    same = (
        t
        for t in near
        if t.index != tensor.index
        and (t.scales, t.zero_points) == (tensor.scales, tensor.zero_points)
    )
    return next(same, None)
