"""Ranges that are not left to observation: those that an operator fixes, and those of coral.yml."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from coral_action.errors import QuantizationError
from coral_action.quantization.calibrators import Ranges
from coral_action.tflite import Operator, TfliteModel, schema

# What an operator's output can't leave. Where the int8 kernel has a fixed output scale it is this
# very range (TFLite 8-bit quantization specification: LOGISTIC, SOFTMAX, TANH).
_FIXED = {"LOGISTIC": (0.0, 1.0), "SOFTMAX": (0.0, 1.0), "TANH": (-1.0, 1.0)}
_BOUNDS = {
    "RELU": (0.0, float("inf")),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
    "L2_NORMALIZATION": (-1.0, 1.0),
}


def known(model: TfliteModel, ranges: Ranges) -> Ranges:
    """The ranges with those replaced that an operator fixes, and cut to what it can yield."""
    result = dict(ranges)
    for operator in model.operators:
        for index in operator.outputs:
            if index not in result:
                continue
            if operator.name in _FIXED:
                result[index] = _FIXED[operator.name]
            else:
                (low, high), (least, most) = result[index], bounds(operator)
                result[index] = (min(max(low, least), most), max(min(high, most), least))
    return result


def bounds(operator: Operator) -> tuple[float, float]:
    """What the outputs of an operator can't leave; infinite where there is no such bound."""
    unbounded = (-float("inf"), float("inf"))
    return _FIXED.get(operator.name) or _BOUNDS.get(_activation(operator), unbounded)


def _activation(operator: Operator) -> str:
    """The activation that an operator is or has fused into it."""
    fused: Any = getattr(operator.options, "fusedActivationFunction", None)
    if not fused:
        return operator.name
    names = vars(schema().ActivationFunctionType)
    return str(next(key for key, value in names.items() if value == fused))


def override(model: TfliteModel, ranges: Ranges, wanted: Mapping[str, Sequence[float]]) -> Ranges:
    """The ranges with those of coral.yml in their place.

    Raises:
        QuantizationError: if a name fits no tensor that has a range.
    """
    result = dict(ranges)
    for index, key in matches(model, ranges, wanted).items():
        low, high = wanted[key]
        result[index] = (float(low), float(high))
    return result


def matches(model: TfliteModel, tensors: Iterable[int], wanted: Iterable[str]) -> dict[int, str]:
    """For each of the tensors that a key of `ranges` in coral.yml fits, that key.

    A key is the name of a tensor, an input or an output, or a glob (`*`, `?`, `[...]`) of such
    names. Of an operator that the converter fused from several (`.../Relu6;.../convolution`), each
    of the joined names counts. Of several keys that fit, the last one in coral.yml wins.

    Raises:
        QuantizationError: if a key fits none of them.
    """
    named = {
        index: {model.tensors[index].name, *model.tensors[index].name.split(";")}
        | {n for n, i in {**model.input_names(), **model.output_names()}.items() if i == index}
        for index in tensors
    }
    result: dict[int, str] = {}
    for key in wanted:
        hits = [index for index, names in named.items() if _fits(key, names)]
        if not hits:
            every = sorted({name for names in named.values() for name in names})
            close = difflib.get_close_matches(key, every, 3, 0.4) or every[:3]
            raise QuantizationError(
                f"ranges: no tensor of the float model is named {key}",
                hint=f"names like it: {', '.join(close)}",
            )
        result |= dict.fromkeys(hits, key)
    return result


def _fits(key: str, names: set[str]) -> bool:
    return key in names or any(fnmatch.fnmatchcase(name, key) for name in names)
