"""What is wrong with a float model that no quantizer can mend."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from coral_action.findings import Finding, Severity
from coral_action.tflite import Tensor, TfliteModel

# Beyond this a weight is a bug in training or export; one is enough to ruin its channel's scale.
_ABSURD = 1e20


def constants(model: TfliteModel) -> Iterator[Finding]:
    """CQ211: a constant holds NaN, infinity or an absurdly large value."""
    for tensor in model.tensors:
        worst = _worst(tensor)
        if worst is not None:
            users = [op for op in model.operators if tensor.index in op.inputs]
            where = f" of {users[0].name} (operator {users[0].index})" if users else ""
            yield Finding(
                "CQ211",
                Severity.ERROR,
                f"constant {tensor.name}{where} holds {worst:g}",
                "the float model is broken: train or export it again",
                operator=f"{users[0].name} (operator {users[0].index})" if users else None,
                tensor=tensor.name,
            )


def _worst(tensor: Tensor) -> float | None:
    """The value that can't be quantized, or None."""
    if tensor.data is None or tensor.type not in ("FLOAT32", "FLOAT64", "FLOAT16"):
        return None
    values = tensor.array()
    # Minimum and maximum hand NaN on; -inf and inf are at the ends.
    ends = [float(values.min()), float(values.max())] if values.size else []
    return next((end for end in ends if not np.isfinite(end) or abs(end) > _ABSURD), None)
