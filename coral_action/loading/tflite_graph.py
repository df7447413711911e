"""Edits of a TFLite graph: one subgraph chosen, cut at named tensors, left without unused parts.

All functions change a `ModelT`, the schema's own object, in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coral_action.errors import ModelError
from coral_action.loading.interface import LoadRequest, check_constants, check_names, listed
from coral_action.tflite import NUMPY_DTYPES, TfliteModel, schema


def choose_subgraph(model: Any, signature: str | None) -> None:
    """Keep the subgraph and the signature that coral.yml names, or the only ones.

    Raises:
        ModelError: if there are several and none is named, or there is no such signature.
    """
    known = [_text(item.signatureKey) for item in model.signatureDefs or []]
    if signature is not None:
        check_names("signature", [signature], known)
        model.signatureDefs = [model.signatureDefs[known.index(signature)]]
    elif len(known) > 1 and len(model.subgraphs) > 1:
        raise ModelError(
            f"this .tflite has several signatures: {listed(known)}",
            hint="choose one in coral.yml: `signature: NAME`",
            topic="several-signatures",
        )
    if not model.signatureDefs or not _refers_to_subgraphs(model):
        if len(model.signatureDefs or []) == 1:
            model.subgraphs = [model.subgraphs[model.signatureDefs[0].subgraphIndex]]
            model.signatureDefs[0].subgraphIndex = 0
        elif not known:
            model.subgraphs = model.subgraphs[:1]


def _refers_to_subgraphs(model: Any) -> bool:
    """Whether operators call subgraphs; then none may go, and the model is refused later."""
    codes = schema().BuiltinOperator
    calls = {codes.IF, codes.WHILE, codes.CALL, codes.CALL_ONCE}
    used = {max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes}
    return bool(calls & used)


def cut(model: Any, request: LoadRequest) -> bool:
    """End the model at the named outputs, begin it at the named inputs, fix the constants.

    Returns:
        Whether anything was changed.

    Raises:
        ModelError: if a name is unknown, is a constant, or the outputs don't depend on it.
    """
    if not (request.inputs or request.outputs or request.constants):
        return False
    graph = model.subgraphs[0]
    before = _interface(model)
    names = _tensor_indices(model, before)
    check_names("tensor", [*request.inputs, *request.outputs], list(names))
    check_constants(request, list(before["inputs"]))
    chosen = {name: names[name] for name in request.inputs}
    for name, index in chosen.items():
        if model.buffers[graph.tensors[index].buffer].data is not None:
            raise ModelError(f"{name} is a constant of the model: it can't be an input")
    for name, value in request.constants.items():
        _make_constant(model, names[name], value)
    outputs = {n: names[n] for n in request.outputs} or before["outputs"]
    stops = set(chosen.values()) | {names[name] for name in request.constants}
    graph.operators, needed = _needed(graph, list(outputs.values()), stops)
    inputs = {**before["inputs"], **chosen}
    for name, index in chosen.items():
        if index not in needed:
            raise ModelError(
                f"{listed(list(outputs))} does not depend on the input {name}",
                hint="needed are: " + listed([n for n in inputs if inputs[n] in needed]),
            )
    fixed = {names[name] for name in request.constants}
    kept = {n: i for n, i in inputs.items() if i in needed and i not in fixed}
    if not kept:
        raise ModelError(f"nothing that {listed(list(outputs))} depends on is an input")
    set_interface(model, kept, outputs)
    return True


def strip_edges(model: Any, view: TfliteModel) -> bool:
    """Take QUANTIZE off float inputs and DEQUANTIZE off float outputs, if all between is integer.

    Returns:
        Whether anything was changed.
    """
    edges = {}
    for operator in view.operators:
        if operator.name == "QUANTIZE" and operator.inputs[0] in view.inputs:
            edges[operator.inputs[0]] = operator.outputs[0]
        elif operator.name == "DEQUANTIZE" and operator.outputs[0] in view.outputs:
            edges[operator.outputs[0]] = operator.inputs[0]
    floats = [
        index
        for operator in view.operators
        for index in (*operator.inputs, *operator.outputs)
        if index >= 0 and view.tensors[index].type.startswith(("FLOAT", "BFLOAT"))
    ]
    if not edges or any(index not in edges for index in floats):
        return False
    inputs = {name: edges.get(index, index) for name, index in view.input_names().items()}
    outputs = {name: edges.get(index, index) for name, index in view.output_names().items()}
    graph = model.subgraphs[0]
    graph.operators, _ = _needed(graph, list(outputs.values()), set(inputs.values()))
    set_interface(model, inputs, outputs)
    return True


def set_interface(model: Any, inputs: dict[str, int], outputs: dict[str, int]) -> None:
    """Give the model these inputs and outputs, in this order, and drop what is unused."""
    graph = model.subgraphs[0]
    graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
    named = {"inputs": inputs, "outputs": outputs}
    signature = (model.signatureDefs or [None])[0] or schema().SignatureDefT()
    signature.signatureKey = signature.signatureKey or "serving_default"
    signature.subgraphIndex = 0
    for kind, names in named.items():
        maps = []
        for name, index in names.items():
            tensor_map = schema().TensorMapT()
            tensor_map.name, tensor_map.tensorIndex = name, index
            maps.append(tensor_map)
        setattr(signature, kind, maps)
    model.signatureDefs = [signature]
    compact(model)


def compact(model: Any) -> None:
    """Remove the tensors and buffers that nothing uses any more."""
    graph = model.subgraphs[0]
    used = {int(i) for op in graph.operators for i in _all_tensors(op) if i >= 0}
    used |= {int(i) for i in (*graph.inputs, *graph.outputs)}
    new = {old: number for number, old in enumerate(sorted(used))}
    graph.tensors = [graph.tensors[old] for old in sorted(used)]
    for operator in graph.operators:
        for kind in ("inputs", "outputs", "intermediates"):
            indices = getattr(operator, kind)
            if indices is not None:
                setattr(operator, kind, [new[int(i)] if i >= 0 else -1 for i in indices])
    graph.inputs = [new[int(i)] for i in graph.inputs]
    graph.outputs = [new[int(i)] for i in graph.outputs]
    for signature in model.signatureDefs or []:
        for maps in (signature.inputs, signature.outputs):
            for tensor_map in maps:
                tensor_map.tensorIndex = new[int(tensor_map.tensorIndex)]
    _compact_buffers(model)


def _compact_buffers(model: Any) -> None:
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    holders = [*tensors, *(model.metadata or [])]
    # Buffer 0 is the empty one, by convention of the schema.
    used = sorted({0} | {holder.buffer for holder in holders})
    new = {old: number for number, old in enumerate(used)}
    model.buffers = [model.buffers[old] for old in used]
    for holder in holders:
        holder.buffer = new[holder.buffer]


def _interface(model: Any) -> dict[str, dict[str, int]]:
    """Names and tensor indices of inputs and outputs: the signature's, or else the tensors'."""
    graph = model.subgraphs[0]
    named: dict[str, dict[str, int]] = {}
    for kind in ("inputs", "outputs"):
        indices = [int(i) for i in getattr(graph, kind)]
        names = {_text(graph.tensors[i].name): i for i in indices}
        for signature in model.signatureDefs or []:
            own = {_text(m.name): int(m.tensorIndex) for m in getattr(signature, kind) or []}
            if set(own.values()) == set(indices):
                names = {name: i for i in indices for name, index in own.items() if index == i}
        named[kind] = names
    return named


def _tensor_indices(model: Any, interface: dict[str, dict[str, int]]) -> dict[str, int]:
    """Every name that a tensor goes by; names of inputs and outputs come first.

    TensorFlow's quantizer calls each result of an operator with several, such as SPLIT, by the
    names of all of them, and a number from the second on: advice about int8 models uses these.
    """
    graph = model.subgraphs[0]
    names = {**interface["inputs"], **interface["outputs"]}
    for index, tensor in enumerate(graph.tensors):
        names.setdefault(_text(tensor.name), index)
    for operator in graph.operators or []:
        if len(operator.outputs) > 1:
            joined = ";".join(_text(graph.tensors[int(i)].name) for i in operator.outputs)
            for number, index in enumerate(operator.outputs):
                names.setdefault(f"{joined}{number or ''}", int(index))
    return names


def _needed(graph: Any, outputs: Sequence[int], stops: set[int]) -> tuple[list[Any], set[int]]:
    """The operators that outputs depend on, going no further back than `stops`; their tensors."""
    needed = set(outputs)
    kept = []
    for operator in reversed(graph.operators or []):
        makes = [int(i) for i in operator.outputs if int(i) in needed and int(i) not in stops]
        if makes:
            kept.append(operator)
            needed |= {int(i) for i in operator.inputs if i >= 0}
    return kept[::-1], needed


def _all_tensors(operator: Any) -> list[int]:
    lists = (operator.inputs, operator.outputs, operator.intermediates)
    return [int(i) for indices in lists if indices is not None for i in indices]


def _make_constant(model: Any, index: int, value: Any) -> None:
    tensor = model.subgraphs[0].tensors[index]
    types = {v: name for name, v in vars(schema().TensorType).items() if isinstance(v, int)}
    dtype = NUMPY_DTYPES.get(types[tensor.type], "")
    if not dtype:
        raise ModelError(f"{_text(tensor.name)} can't be fixed: it is {types[tensor.type]}")
    shape = [] if tensor.shape is None else [int(size) for size in tensor.shape]
    set_value(model, tensor, np.broadcast_to(np.array(value, dtype), shape))


def set_value(model: Any, tensor: Any, value: Any) -> None:
    """Make a tensor a constant with this value, in a buffer of its own."""
    buffer = schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
    tensor.buffer = len(model.buffers)
    tensor.shape = list(value.shape)
    tensor.shapeSignature = None
    model.buffers.append(buffer)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""
