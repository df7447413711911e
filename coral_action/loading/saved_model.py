"""SavedModel folders: one signature of them, or the one that coral.yml names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coral_action.errors import ModelError
from coral_action.loading import frozen_graph
from coral_action.loading.interface import (
    LoadRequest,
    OpenInput,
    Traceable,
    check_names,
    listed,
)

DEFAULT_SIGNATURE = "serving_default"
# Added by TensorFlow itself to hold the operator that initializes tables.
_HIDDEN = frozenset({"__saved_model_init_op", "__saved_model_train_op"})


def load(request: LoadRequest) -> Traceable:
    """A signature of a SavedModel as a function, cut at inner nodes where coral.yml names some.

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
    function, specs, outputs = _choose(model, request)
    cut = [n for n in request.inputs if n not in specs]
    cut += [n for n in request.outputs if n not in outputs]
    if cut or request.constants:
        return _cut(model, function, request, outputs)
    check_names("input", list(request.input_shapes), list(specs))
    names = tuple(request.outputs) or tuple(sorted(outputs))

    def call(*tensors: Any) -> Sequence[Any]:
        # `model` is held here: its variables die with it.
        results = (model and function)(**dict(zip(specs, tensors, strict=True)))
        return [outputs_of(results)[name] for name in names]

    inputs = [
        OpenInput(name, None if spec.shape.rank is None else spec.shape.as_list(), spec.dtype.name)
        for name, spec in specs.items()
    ]
    return Traceable(call, tuple(inputs), names)


def outputs_of(results: Any) -> dict[str, Any]:
    """The results of a function by name, whatever structure they come in."""
    import tensorflow as tf

    if isinstance(results, dict):
        return results
    return {f"output_{i}": tensor for i, tensor in enumerate(tf.nest.flatten(results))}


def _choose(model: Any, request: LoadRequest) -> tuple[Any, dict[str, Any], list[str]]:
    """The function to run, its input specs by name, and the names of its outputs."""
    signatures = {name: s for name, s in model.signatures.items() if name not in _HIDDEN}
    if not signatures and request.signature is None:
        return _only_function(model)
    name = _signature_name(sorted(signatures), request.signature)
    signature = signatures[name]
    return signature, signature.structured_input_signature[1], sorted(signature.structured_outputs)


def _signature_name(known: list[str], wanted: str | None) -> str:
    if wanted is not None:
        check_names("signature", [wanted], known)
        return wanted
    if len(known) == 1:
        return known[0]
    if DEFAULT_SIGNATURE in known:
        return DEFAULT_SIGNATURE
    raise ModelError(
        f"this SavedModel has several signatures: {', '.join(known)}",
        hint="choose one in coral.yml: `signature: NAME`",
        topic="several-signatures",
    )


def _only_function(model: Any) -> tuple[Any, dict[str, Any], list[str]]:
    """Without a signature: `__call__`, or else the one function there is, if it was traced once."""
    import tensorflow as tf

    functions = {
        name: getattr(model, name)
        for name in ["__call__", *sorted(vars(model))]
        if hasattr(getattr(model, name, None), "concrete_functions")
    }
    chosen = functions.get("__call__") or (
        next(iter(functions.values())) if len(functions) == 1 else None
    )
    hint = "export it with model.export(folder), or tf.saved_model.save(..., signatures=...)"
    if chosen is None:
        raise ModelError(
            f"this SavedModel has no signature (functions: {listed(sorted(functions)) or 'none'})",
            hint=hint,
        )
    traces = [t for t in chosen.concrete_functions if _takes_tensors_only(t)]
    if len(traces) != 1:
        raise ModelError(
            f"this SavedModel has no signature, and its function was traced {len(traces)} times",
            hint=hint,
        )
    (trace,) = traces
    arguments, keywords = trace.structured_input_signature
    flat = tf.nest.flatten((arguments, keywords))
    specs = {spec.name or f"input_{i}": spec for i, spec in enumerate(flat)}

    def call(**tensors: Any) -> Any:
        values = [tensors[name] for name in specs]
        args, kwargs = tf.nest.pack_sequence_as((arguments, keywords), values)
        return outputs_of(trace(*args, **kwargs))

    return call, specs, sorted(outputs_of(trace.structured_outputs))


def _takes_tensors_only(trace: Any) -> bool:
    import tensorflow as tf

    flat = tf.nest.flatten(trace.structured_input_signature)
    return bool(flat) and all(isinstance(spec, tf.TensorSpec) for spec in flat)


def _cut(model: Any, function: Any, request: LoadRequest, outputs: list[str]) -> Traceable:
    """The signature as a frozen graph, so that it can be cut at any node of it."""
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    if not hasattr(function, "graph"):
        check_names("output", request.outputs, outputs)
        raise ModelError("a SavedModel without signature can't be cut at inner nodes")
    frozen = convert_variables_to_constants_v2(model and function)
    # A function returns its outputs in the order of their sorted names.
    aliases = {name: tensor.name for name, tensor in zip(outputs, frozen.outputs, strict=True)}
    return frozen_graph.from_graph(frozen.graph.as_graph_def(), request, aliases)
