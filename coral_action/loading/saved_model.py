"""SavedModel folders: one signature of them, or the one that coral.yml names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading.float_model import TensorSpec
from coral_action.loading.recipe import LoadRequest, Traceable, check_names, static_shape

DEFAULT_SIGNATURE = "serving_default"


def load(request: LoadRequest) -> Traceable:
    """A signature of a SavedModel as a function.

    Raises:
        ModelError: if the folder can't be loaded, or the signature is not clear.
    """
    import tensorflow as tf

    try:
        model = tf.saved_model.load(request.source)
    except Exception as error:
        raise ModelError(
            f"TensorFlow can't load this SavedModel: {str(error).splitlines()[0][:300]}",
            hint="it needs saved_model.pb and variables/ from one and the same export",
        ) from error
    signature = model.signatures[_choose(sorted(model.signatures), request.signature)]
    specs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    check_names("input", list(request.inputs), sorted(specs))
    check_names("output", request.outputs, sorted(outputs))
    names = tuple(request.outputs) or tuple(sorted(outputs))

    def function(*tensors: Any) -> Sequence[Any]:
        # `model` is held here: its variables die with it.
        results = (model and signature)(**dict(zip(specs, tensors, strict=True)))
        return [results[name] for name in names]

    inputs = [
        TensorSpec(
            name,
            static_shape(
                name,
                None if spec.shape.rank is None else spec.shape.as_list(),
                request.inputs.get(name),
            ),
            spec.dtype.name,
        )
        for name, spec in specs.items()
    ]
    return Traceable(function, tuple(inputs), names)


def _choose(known: list[str], wanted: str | None) -> str:
    if wanted is not None:
        check_names("signature", [wanted], known)
        return wanted
    if len(known) == 1:
        return known[0]
    if DEFAULT_SIGNATURE in known:
        return DEFAULT_SIGNATURE
    if not known:
        raise ModelError(
            "this SavedModel has no signature",
            hint="export it with model.export(folder), or tf.saved_model.save(..., signatures=...)",
        )
    raise ModelError(
        f"this SavedModel has several signatures: {', '.join(known)}",
        hint="choose one in coral.yml: `signature: NAME`",
    )
