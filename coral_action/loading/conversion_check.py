"""Does the float .tflite compute what the model does in TensorFlow? Loading can be wrong too."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.findings import Finding, Severity
from coral_action.inference import Runner
from coral_action.loading.float_model import TensorSpec
from coral_action.tflite import read_model

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], dict[str, Array]]

# Converters fold and reorder float32 arithmetic: 1e-5 is usual, 1e-3 has been seen in deep models.
TOLERANCE = 1e-2

# What inputs usually range over, as nothing says what these do.
_RANGES = ((0.0, 0.0), (-1.0, 1.0), (0.0, 1.0), (0.0, 255.0))


def conversion_error(original: Run, content: bytes, inputs: Sequence[TensorSpec]) -> float | None:
    """The largest difference of both models' outputs on a few made inputs, relative to the output.

    Zeros and three seeded random inputs go through both. The difference of an output is divided by
    its largest absolute value over these inputs.

    Args:
        original: the model in TensorFlow, as a function of arrays by name.
        content: the float .tflite.
        inputs: names, shapes and dtypes of its inputs.

    Returns:
        The error; None if TensorFlow can't run any of the inputs.
    """
    flatbuffer = read_model(content)
    runner = Runner(content, flatbuffer.input_names(), flatbuffer.output_names())
    largest: dict[str, float] = {}
    difference: dict[str, float] = {}
    for values in _made_inputs(inputs):
        try:
            expected = original(values)
        except Exception:  # noqa: S112 - made inputs may be out of what the model takes
            continue
        for name, value in runner.run(values).items():
            a, b = (np.asarray(v, dtype=np.float64) for v in (expected[name], value))
            known = np.isfinite(a)
            error = np.abs(a - b.reshape(a.shape))[known].max(initial=0.0)
            largest[name] = max(largest.get(name, 0.0), np.abs(a[known]).max(initial=0.0))
            difference[name] = max(difference.get(name, 0.0), float(error))
    errors = [d / max(largest[name], 1e-6) for name, d in difference.items()]
    return max(errors, default=None)


def _made_inputs(inputs: Sequence[TensorSpec]) -> list[dict[str, Array]]:
    rng = np.random.default_rng(0)
    return [{spec.name: _made(spec, low, high, rng) for spec in inputs} for low, high in _RANGES]


def _made(spec: TensorSpec, low: float, high: float, rng: np.random.Generator) -> Array:
    if spec.dtype.startswith(("float", "uint8")):
        return (
            rng.uniform(low, high, spec.shape)
            .clip(0 if spec.dtype == "uint8" else low)
            .astype(spec.dtype)
        )
    # Small numbers are valid indices for most tables, and flags.
    return rng.integers(0, 2, spec.shape).astype(spec.dtype)


def conversion_findings(error: float | None) -> tuple[Finding, ...]:
    """CQ510: the float .tflite computes something else than the model in TensorFlow."""
    if error is None or error <= TOLERANCE:
        return ()
    return (
        Finding(
            "CQ510",
            Severity.WARNING,
            f"the float .tflite differs from the model in TensorFlow by {error:.1%} of its output",
            "set `reference: original` under `evaluation` to see it on your data; operators that "
            "draw random numbers or keep state differ by nature",
        ),
    )
