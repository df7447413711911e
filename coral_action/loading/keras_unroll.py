"""Recurrent Keras layers rebuilt without loops: step after step, for sequences that are short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest, OpenInput, listed, static_input

# Longer sequences make graphs of thousands of operators that no Edge TPU holds.
MAX_STEPS = 128

_RECURRENT = frozenset({"LSTM", "GRU", "SimpleRNN", "RNN"})
_HINT = "run shorter sequences, or replace the layer by convolutions (Conv1D, dilated)"


def unroll(model: Any, library: Any, inputs: Sequence[OpenInput], request: LoadRequest) -> Any:
    """The model with `unroll=True` in every recurrent layer; others come back as they are.

    Args:
        model: a Keras model whose weights are loaded.
        library: keras or tf_keras, whichever it is of.
        inputs: its inputs.
        request: what coral.yml says of their shapes.

    Raises:
        ModelError: if a sequence has more than `MAX_STEPS` steps, or can't be unrolled.
    """
    import tensorflow as tf

    names = [layer.name for layer in _layers(model) if _is_recurrent(layer)]
    if not names:
        return model
    tensors = tf.nest.pack_sequence_as(
        model.input, [_static_tensor(library, item, request) for item in inputs]
    )
    try:
        static = library.models.clone_model(model, input_tensors=tensors)
        _check_lengths(static)
        result = library.models.clone_model(
            model, input_tensors=tensors, clone_function=_unrolled_layer
        )
    except ModelError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1][:300]
        raise ModelError(
            f"the recurrent layers {listed(names)} can't be unrolled: {reason}", hint=_HINT
        ) from error
    result.set_weights(model.get_weights())
    return result


def _static_tensor(library: Any, item: OpenInput, request: LoadRequest) -> Any:
    """A symbolic input with a batch of 1 and all sizes known."""
    shape = static_input(item, request).shape
    return library.Input(shape=shape[1:], batch_size=1, dtype=item.dtype)


def _layers(model: Any) -> Iterator[Any]:
    """All layers, those of nested models included."""
    for layer in model.layers:
        if hasattr(layer, "layers") and not _is_recurrent(layer):
            yield from _layers(layer)
        else:
            yield layer


def _is_recurrent(layer: Any) -> bool:
    """Whether a layer, or what it wraps (Bidirectional), is recurrent."""
    inner = getattr(layer, "forward_layer", None) or getattr(layer, "layer", None)
    return type(layer).__name__ in _RECURRENT or type(inner).__name__ in _RECURRENT


def _check_lengths(model: Any) -> None:
    for layer in _layers(model):
        if not _is_recurrent(layer):
            continue
        if getattr(layer, "stateful", False):
            raise ModelError(
                f"recurrent layer {layer.name} is stateful: it keeps state from run to run",
                hint="the Edge TPU keeps none: make the state an input and an output",
            )
        tensor = layer.input[0] if isinstance(layer.input, list) else layer.input
        steps = tensor.shape[1]
        if steps is None or steps > MAX_STEPS:
            length = "an unknown number of" if steps is None else f"{steps}"
            raise ModelError(
                f"recurrent layer {layer.name} runs {length} steps; up to {MAX_STEPS} are unrolled",
                hint=_HINT,
            )


def _unrolled_layer(layer: Any) -> Any:
    return type(layer).from_config(_with_unroll(layer.get_config(), type(layer).__name__))


def _with_unroll(config: Any, kind: str | None = None) -> Any:
    """A configuration in which every recurrent layer is unrolled, nested ones too."""
    if isinstance(config, list):
        return [_with_unroll(item) for item in config]
    if not isinstance(config, dict):
        return config
    edited = {
        key: _with_unroll(value, config.get("class_name") if key == "config" else None)
        for key, value in config.items()
    }
    return {**edited, "unroll": True} if kind in _RECURRENT else edited
