"""A part of a model as a model of its own, cut at tensors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from coral_action.errors import ModelError
from coral_action.tflite import TfliteModel, pack, unpack


def cut(content: bytes, model: TfliteModel, kept: Collection[int]) -> bytes:
    """The flatbuffer of some operators (by index) alone.

    What they read and don't make becomes an input; what others or the user read of theirs becomes
    an output. Tensors keep names, types and values, and the operators their order.

    Args:
        content: the whole model.
        model: the same, read.
        kept: indices of operators; at least one.

    Raises:
        ModelError: if nothing is kept.
    """
    if not kept:
        raise ModelError("a part of a model needs at least one operator")
    raw = unpack(content)
    graph = raw.subgraphs[0]
    wanted = sorted(kept)
    inside = {tensor for index in wanted for tensor in model.operators[index].outputs}
    read = [t for index in wanted for t in model.operators[index].inputs if t >= 0]
    inputs = [
        t for t in dict.fromkeys(read) if t not in inside and not model.tensors[t].is_constant
    ]
    rest = {t for o in model.operators if o.index not in kept for t in o.inputs}
    unread = inside - set(read)
    outputs = sorted((inside & (rest | set(model.outputs))) | unread)
    graph.operators = [graph.operators[index] for index in wanted]
    scratch = [t for o in graph.operators for t in _ints(o.intermediates)]
    used = sorted({*inputs, *outputs, *read, *inside, *scratch})
    place = {old: new for new, old in enumerate(used)}
    graph.tensors = [graph.tensors[old] for old in used]
    for operator in graph.operators:
        operator.inputs = [place.get(t, -1) for t in operator.inputs]
        operator.outputs = [place[t] for t in operator.outputs]
        operator.intermediates = [place[t] for t in _ints(operator.intermediates)]
    graph.inputs = [place[t] for t in inputs]
    graph.outputs = [place[t] for t in outputs]
    _keep_used_buffers(raw, graph)
    raw.signatureDefs = None
    raw.metadata, raw.metadataBuffer = None, None
    return pack(raw)


def _ints(values: Any) -> list[int]:
    return [] if values is None else [int(value) for value in values]


def _keep_used_buffers(raw: Any, graph: Any) -> None:
    """Drop the weights of operators that are gone, so that parts are small and quick to compile."""
    buffers = raw.buffers
    tensors = graph.tensors
    used = sorted({0, *(tensor.buffer for tensor in tensors)})
    place = {old: new for new, old in enumerate(used)}
    raw.buffers = [buffers[old] for old in used]
    for tensor in tensors:
        tensor.buffer = place[tensor.buffer]
