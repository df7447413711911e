"""The model as it was given, run by TensorFlow itself; in a child process that may import it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.isolation import ProgressCallback
from coral_action.loading.child import load_request, open_frozen
from coral_action.loading.conversion_check import conversion_error
from coral_action.loading.float_model import FloatModel

Array = npt.NDArray[np.generic]
Run = Callable[[dict[str, Array]], dict[str, Array]]


def open_original(request: dict[str, Any]) -> Run:
    """The model that a loading request names, as a function of arrays by name.

    Raises:
        ModelError: if TensorFlow is not what it is made for.
    """
    return open_frozen(load_request(request)).run


def check_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """How far the float .tflite of `request["model"]` is from the original, as a fraction."""
    model = FloatModel.from_json(request["model"])
    run = open_original(request["load"])
    return {"error": conversion_error(run, model.path.read_bytes(), model.inputs)}
