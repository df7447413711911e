"""Keras files: .keras (Keras 3) and .h5, read without running code that is in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.float_model import TensorSpec
from coral_action.loading.recipe import LoadRequest, Traceable, check_names, static_shape


def load(request: LoadRequest) -> Traceable:
    """A Keras model in inference mode as a function.

    Raises:
        ModelError: if Keras can't read the file.
    """
    import keras

    try:
        model = keras.models.load_model(request.source, compile=False, safe_mode=True)
    except Exception as error:
        raise ModelError(
            f"Keras {keras.__version__} can't load this file: {_reason(error)}",
            hint="export a SavedModel with model.export(folder) where the model was trained",
        ) from error
    known = [tensor.name for tensor in model.inputs]
    output_names = [str(name) for name in model.output_names]
    check_names("input", list(request.inputs), known)
    check_names("output", request.outputs, output_names)
    chosen = request.outputs or tuple(output_names)

    def function(*tensors: Any) -> Sequence[Any]:
        results = model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        flat = keras.tree.flatten(results)
        return [flat[output_names.index(name)] for name in chosen]

    inputs = [
        TensorSpec(
            tensor.name,
            static_shape(tensor.name, tuple(tensor.shape), request.inputs.get(tensor.name)),
            str(tensor.dtype),
        )
        for tensor in model.inputs
    ]
    return Traceable(function, tuple(inputs), tuple(chosen))


def _reason(error: BaseException) -> str:
    """The last line that Keras has to say, which is where it names the trouble."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
