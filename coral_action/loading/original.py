"""The model as it was given, run by TensorFlow itself; in a child process that may import it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.errors import ModelError
from coral_action.loading.float_model import TensorSpec

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], dict[str, Array]]


def runner_of(
    function: Callable[..., Sequence[Any]], inputs: Sequence[TensorSpec], outputs: Sequence[str]
) -> Run:
    """A TensorFlow function as one of arrays by name, each with a batch dimension of 1.

    Args:
        function: takes tensors in the order of `inputs`, returns those of `outputs`.
        inputs: names and dtypes.
        outputs: names.
    """
    import tensorflow as tf

    compiled = tf.function(lambda *tensors: [tf.identity(t) for t in function(*tensors)])

    def run(values: dict[str, Array]) -> dict[str, Array]:
        tensors = [tf.constant(values[spec.name], dtype=spec.dtype) for spec in inputs]
        return {
            name: np.asarray(result)
            for name, result in zip(outputs, compiled(*tensors), strict=True)
        }

    return run


def open_original(request: dict[str, Any]) -> Run:
    """The model that a loading request names.

    Raises:
        ModelError: if TensorFlow is not what it is made for.
    """
    from coral_action.loading.child import LOADERS, load_request

    wanted = load_request(request)
    if wanted.format not in LOADERS:
        raise ModelError(
            f"a {wanted.format} model has no original in TensorFlow",
            hint="leave `evaluation.reference` out, or name a .tflite",
        )
    traceable = LOADERS[wanted.format](wanted)
    return runner_of(traceable.function, traceable.inputs, traceable.outputs)
