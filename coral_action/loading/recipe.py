"""The one way from TensorFlow to a float .tflite; runs in the child process.

A frozen, static, batch-1 ConcreteFunction goes through `TFLiteConverter.from_concrete_functions`:
without freezing Keras 3 models fail to convert, and without a static batch the graph carries
SHAPE/STRIDED_SLICE/PACK chains that the Edge TPU compiler refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.float_model import TensorSpec
from coral_action.tflite import pack, unpack

MAX_LISTED = 8


@dataclass(frozen=True)
class LoadRequest:
    """What coral.yml says of a model's interface."""

    source: str
    format: str
    signature: str | None
    inputs: dict[str, tuple[int, ...] | None]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Traceable:
    """A model as a function of tensors, in the order of `inputs`, returning those of `outputs`."""

    function: Callable[..., Sequence[Any]]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]


def static_shape(
    name: str, known: Sequence[int | None] | None, wanted: tuple[int, ...] | None
) -> tuple[int, ...]:
    """The shape of an input with a batch of 1.

    Args:
        name: the input, for errors.
        known: what the file says; None for an open dimension, or as a whole.
        wanted: what coral.yml says.

    Raises:
        ModelError: if dimensions stay open, or the two contradict each other.
    """
    if wanted is not None:
        fits = known is None or (
            len(known) == len(wanted)
            and all(k in (None, w) for k, w in zip(known, wanted, strict=True))
        )
        if not fits:
            raise ModelError(
                f"input {name} has shape {_show(known)} in the file, {list(wanted)} in coral.yml",
                hint=f"correct `inputs: {{{name}: [...]}}`; the batch dimension counts, and is 1",
            )
        if wanted[0] != 1:
            raise ModelError(
                f"input {name}: batch size {wanted[0]}",
                hint="the Edge TPU runs one sample at a time: the first dimension must be 1",
            )
        return wanted
    if known is not None and len(known) > 0 and known[0] in (None, 1):
        rest = known[1:]
        if all(dimension is not None for dimension in rest):
            return (1, *(int(dimension) for dimension in rest if dimension is not None))
    elif known is not None and len(known) > 0 and None not in known:
        raise ModelError(
            f"input {name} has a fixed batch size of {known[0]}: {_show(known)}",
            hint="the Edge TPU runs one sample at a time: export the model with batch size 1",
        )
    raise ModelError(
        f"input {name} has shape {_show(known)}: its size is not in the file",
        hint=f"say it in coral.yml, such as `inputs: {{{name}: [1, 224, 224, 3]}}`",
    )


def _show(shape: Sequence[int | None] | None) -> str:
    if shape is None:
        return "unknown"
    return (
        "[" + ", ".join("?" if dimension is None else str(dimension) for dimension in shape) + "]"
    )


def convert(model: Traceable) -> bytes:
    """A float .tflite of the model, its signature carrying the model's own names.

    Raises:
        ModelError: if TensorFlow can't trace or convert it.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    def flat(*tensors: Any) -> list[Any]:
        return [tf.identity(tensor) for tensor in model.function(*tensors)]

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{i}")
        for i, spec in enumerate(model.inputs)
    ]
    frozen = convert_variables_to_constants_v2(tf.function(flat).get_concrete_function(*specs))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    try:
        content = converter.convert()
    except Exception as error:
        raise ModelError(
            f"TensorFlow can't convert this model to TFLite: {_reason(error)}",
            hint="operators outside of TFLite's own can't run on the Edge TPU; see --debug",
        ) from error
    return _name_signature(content, [spec.name for spec in model.inputs], list(model.outputs))


def _reason(error: BaseException) -> str:
    """The line of a converter error that names the trouble."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line or "is neither a custom op" in line]
    return (telling or lines or [type(error).__name__])[0][:300]


def _name_signature(content: bytes, inputs: list[str], outputs: list[str]) -> bytes:
    """Give the flatbuffer one signature with these names, replacing input_0, output_0 and so on."""
    model = unpack(content)
    (signature,) = model.signatureDefs
    position = {"input": inputs, "output": outputs}
    for maps in (signature.inputs, signature.outputs):
        for tensor_map in maps:
            kind, _, number = tensor_map.name.decode().rpartition("_")
            tensor_map.name = position[kind][int(number)]
    return pack(model)


def check_names(kind: str, wanted: Sequence[str], known: Sequence[str]) -> None:
    """Refuse names of inputs or outputs that a model does not have, listing those it has."""
    for name in wanted:
        if name not in known:
            listed = ", ".join(known[:MAX_LISTED]) + (", ..." if len(known) > MAX_LISTED else "")
            raise ModelError(
                f"the model has no {kind} named {name}", hint=f"its {kind}s are: {listed}"
            )
