"""Names of tensors by which each can be told from all others.

The quantizer finds inputs, outputs and its signature by the names of tensors, and this program
finds the float twin of an int8 tensor by them. A .tflite need not have any, or may have one twice.
"""

from __future__ import annotations

from collections import Counter

from coral_action.errors import QuantizationError
from coral_action.quantization.graph import Graph
from coral_action.tflite import TfliteModel, read_model, schema


def distinct_names(content: bytes) -> bytes:
    """A float .tflite whose tensors have names of their own; the same bytes where they do.

    Inputs and outputs keep the names that `TfliteModel.input_names` gives them: where these were
    names of tensors, they become those of a signature.

    Raises:
        QuantizationError: if two inputs, or two outputs, have the same name.
    """
    model = read_model(content)
    _require_distinct_ends(model)
    count = Counter(tensor.name for tensor in model.tensors)
    if not count[""] and max(count.values(), default=1) == 1:
        return content
    graph = Graph(content)
    taken = set(count)
    for index, tensor in enumerate(graph.tensors):
        name = graph.name(index)
        if name and count[name] == 1:
            continue
        tensor.name = _free(name or "tensor", index, taken).encode()
    graph.model.signatureDefs = [_signature(model)]
    return graph.pack()


def _require_distinct_ends(model: TfliteModel) -> None:
    for kind, indices, names in (
        ("input", model.inputs, model.input_names()),
        ("output", model.outputs, model.output_names()),
    ):
        if len(names) < len(set(indices)):
            raise QuantizationError(
                f"{len(set(indices))} {kind}s of the model have {len(names)} names between them",
                hint=f"give every {kind} a name of its own when the model is exported",
            )


def _free(name: str, index: int, taken: set[str]) -> str:
    found = f"{name}_{index}"
    while found in taken:
        found += "_"
    taken.add(found)
    return found


def _signature(model: TfliteModel) -> object:
    """The names of inputs and outputs, as they were."""
    signature = schema().SignatureDefT()
    key = model.signatures[0].key if model.signatures else "serving_default"
    signature.signatureKey = key.encode()
    signature.inputs, signature.outputs = (
        [_entry(name, index) for name, index in names.items()]
        for names in (model.input_names(), model.output_names())
    )
    return signature


def _entry(name: str, index: int) -> object:
    entry = schema().TensorMapT()
    entry.name = name.encode()
    entry.tensorIndex = index
    return entry
