"""Keras files: .keras and .h5, through Keras 3, or tf-keras where Keras 3 can't read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coral_action.errors import CoralQuantizeError, ModelError
from coral_action.loading.interface import (
    LoadRequest,
    OpenInput,
    Traceable,
    check_constants,
    check_names,
    listed,
)
from coral_action.loading.keras_config import read_config, refuse_code
from coral_action.loading.keras_unroll import unroll

_EXPORT_HINT = "export a SavedModel where the model was trained: model.export(folder)"


def load(request: LoadRequest) -> Traceable:
    """A Keras model in inference mode as a function, cut at the layers that coral.yml names.

    Raises:
        ModelError: if the file holds code, or can't be read by either Keras.
    """
    refuse_code(read_config(request), request)
    model, library = _read(request)
    return traceable(model, library, request)


def traceable(model: Any, library: Any, request: LoadRequest) -> Traceable:
    """A built Keras model as a function.

    Args:
        model: a model of Keras 3 or of tf-keras.
        library: the package that it is of.
        request: `inputs` and `outputs` are the model's own names, or names of inner layers.

    Raises:
        ModelError: if a name is unknown, or the model has recurrent layers that stay loops.
    """
    _build(model, request)
    model, inputs, outputs = _cut(model, library, request)
    check_names("input", list(request.input_shapes), inputs)
    check_constants(request, inputs)
    opened = tuple(
        OpenInput(name, tuple(tensor.shape), _dtype_name(tensor))
        for name, tensor in zip(inputs, model.inputs, strict=True)
    )
    model = unroll(model, library, opened, request)
    chosen = request.outputs or tuple(outputs)

    def function(*tensors: Any) -> Sequence[Any]:
        results = model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        flat = _flatten(results)
        return [flat[outputs.index(name)] for name in chosen]

    return Traceable(function, opened, tuple(chosen))


def _read(request: LoadRequest) -> tuple[Any, Any]:
    """The model, and the package that could read it."""
    import keras

    try:
        safe = not request.allow_custom_code
        return keras.models.load_model(request.source, compile=False, safe_mode=safe), keras
    except Exception as error:
        first = f"Keras {keras.__version__}: {_reason(error)}"
        try:
            return _read_legacy(request)
        except CoralQuantizeError:
            raise
        except Exception as second:
            raise ModelError(
                f"no Keras can load this file: {first}; tf-keras: {_reason(second)}",
                hint=_EXPORT_HINT,
            ) from error


def _read_legacy(request: LoadRequest) -> tuple[Any, Any]:
    try:
        import tf_keras
    except ImportError as error:
        raise ModelError(
            "Keras 3 can't load this file, and tf-keras, which reads those of Keras 2, is missing",
            hint="pip install tf-keras of TensorFlow's version, or " + _EXPORT_HINT,
            topic="keras-2-file",
        ) from error
    options = {} if request.format == "keras_h5" else {"safe_mode": not request.allow_custom_code}
    return tf_keras.models.load_model(request.source, compile=False, **options), tf_keras


def _build(model: Any, request: LoadRequest) -> None:
    """Give a Sequential model without input shape the one that coral.yml names."""
    if getattr(model, "built", True) and _input_tensors(model):
        return
    shapes = [*filter(None, request.inputs.values()), *request.input_shapes.values()]
    if len(shapes) != 1 or type(model).__name__ != "Sequential":
        raise ModelError(
            "the model has no input shape in the file",
            hint="say it in coral.yml, such as `inputs: {input: [1, 224, 224, 3]}`",
            topic="open-shape",
        )
    model.build(shapes[0])


def _input_tensors(model: Any) -> list[Any]:
    try:
        return list(model.inputs or [])
    except (AttributeError, ValueError):
        return []


def _cut(model: Any, library: Any, request: LoadRequest) -> tuple[Any, list[str], list[str]]:
    """The part of the model that coral.yml names, its input names and its output names."""
    inputs = [tensor.name.partition(":")[0] for tensor in model.inputs]
    outputs = _output_names(model)
    if set(request.inputs) <= set(inputs) and set(request.outputs) <= set(outputs):
        return model, inputs, outputs
    layers = {layer.name: layer for layer in model.layers}
    check_names("layer or input", list(request.inputs), [*inputs, *layers])
    check_names("layer or output", request.outputs, [*outputs, *layers])
    ends = dict(zip(outputs, _flatten(model.outputs), strict=True))
    starts = dict(zip(inputs, model.inputs, strict=True))
    wanted_inputs = list(request.inputs) or inputs
    wanted_outputs = list(request.outputs) or outputs
    tensors = [starts[n] if n in starts else _output_of(layers[n]) for n in wanted_inputs]
    results = [ends[n] if n in ends else _output_of(layers[n]) for n in wanted_outputs]
    try:
        return library.Model(tensors, results), wanted_inputs, wanted_outputs
    except Exception as error:
        raise ModelError(
            f"the model can't be cut between {listed(wanted_inputs)} and {listed(wanted_outputs)}: "
            f"{_reason(error)}",
            hint="every way from the inputs to the outputs has to pass through the named layers",
        ) from error


def _output_names(model: Any) -> list[str]:
    if type(model).__name__ == "Sequential":
        return [model.layers[-1].name]
    names = getattr(model, "output_names", None)
    if names:
        return [str(name) for name in names]
    return [tensor.name.partition("/")[0] for tensor in _flatten(model.outputs)]


def _output_of(layer: Any) -> Any:
    try:
        return _flatten(layer.output)[0]
    except (AttributeError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"layer {layer.name} is used more than once or not at all, so it has no one output",
            hint="name another layer, or export the part that you need as a model of its own",
        ) from error


def _flatten(value: Any) -> list[Any]:
    """Tensors of any nested structure, in the order that Keras gives them."""
    import tensorflow as tf

    return list(tf.nest.flatten(value))


def _dtype_name(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _reason(error: BaseException) -> str:
    """The line of what Keras has to say that names the trouble; it is often the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [
        line for line in lines if line.startswith(("Unknown ", "Unrecognized", "Could not locate"))
    ]
    return (telling or lines[-1:] or [type(error).__name__])[0][:300]
