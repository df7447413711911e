""".tflite files: float ones made static, compressed ones made float, full-integer ones as they are.

No TensorFlow is imported here. The file is verified by litert before the schema's Python reader,
which would follow damaged offsets, sees it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coral_action.errors import ModelError
from coral_action.findings import Finding, Severity
from coral_action.loading import tflite_fold, tflite_graph
from coral_action.loading.interface import Loaded, LoadRequest, listed
from coral_action.tflite import (
    DETECTIONS,
    Operator,
    TfliteModel,
    detection_operators,
    pack,
    read_model,
    unpack,
)

_RECURRENT = frozenset(
    {"UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "LSTM", "RNN", "SVDF"}
    | {"UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN"}
)
_CONTROL_FLOW = frozenset({"IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE"})
_STATE = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
_DATA_SHAPED = frozenset({"WHERE", "UNIQUE", "RANGE"})
_FLOATS = frozenset({"FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16"})
_QUANTIZED = frozenset({"INT8", "UINT8", "INT16"})


def load(request: LoadRequest) -> Loaded:
    """A static, batch-1 flatbuffer: float, or full-integer already.

    Raises:
        ModelError: if the file is damaged, compiled already, partly quantized, or holds operators
            that can't be quantized and are not cut off.
    """
    content = Path(request.source).read_bytes()
    verify(content, request.source)
    model = unpack(content)
    tflite_graph.choose_subgraph(model, request.signature)
    edited = tflite_graph.cut(model, request)
    _refuse_operators(read_model(pack(model)))
    edited |= tflite_fold.make_static(model, request)
    view = read_model(pack(model))
    stripped = tflite_graph.strip_edges(model, view)
    if stripped:
        view = read_model(pack(model))
    if _is_full_integer(view):
        # Byte for byte the file that it was, where there was nothing to mend.
        mended = edited or stripped
        findings = (_already_quantized(), *([_stripped()] if stripped else []))
        found = pack(model) if mended else content
        return Loaded(found, already_quantized=True, findings=findings)
    _refuse_partly_quantized(view)
    restored = tflite_fold.restore_float_weights(model, view)
    findings = (_restored(restored),) if restored else ()
    return Loaded(pack(model), findings=findings)


def verify(content: bytes, name: str) -> None:
    """Let litert check every offset of a flatbuffer; unknown operators are no fault here.

    Raises:
        ModelError: if the file is damaged.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
    except (ValueError, RuntimeError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        if "not a valid Flatbuffer" not in reason and "unresolved" in str(error):
            return
        raise ModelError(
            f"{name}: a damaged .tflite file: {reason[:200]}",
            hint="the download or copy did not finish; fetch the file again",
            topic="damaged-file",
        ) from error


def _refuse_operators(view: TfliteModel) -> None:
    """Refuse what can't be quantized, by name; cutting it off is often the way out."""
    names = {operator.name for operator in view.operators}
    if "CUSTOM:edgetpu-custom-op" in names:
        raise ModelError(
            "this .tflite is compiled for the Edge TPU already",
            hint="name the model that it was compiled from, or look at it with "
            "`coral-quantize inspect`",
            topic="compiled-already",
        )
    rules: tuple[tuple[Any, str, str], ...] = (
        (
            lambda name: name in _RECURRENT,
            "a fused recurrent operator, which keeps its state in the model",
            "export the layer with unroll=True, from Keras; or cut it off",
        ),
        (
            lambda name: name in _CONTROL_FLOW,
            "control flow, which the Edge TPU can't run",
            "unroll loops before the export, or cut them off",
        ),
        (lambda name: name in _STATE, "variables", "freeze the model before the export"),
        (
            lambda name: name in _DATA_SHAPED,
            "dynamic shape: the size of its result depends on the data",
            "cut the model before it",
        ),
        (
            lambda name: name.startswith("CUSTOM:") and name != DETECTIONS,
            "custom operators, which have no int8 kernel",
            "cut the model before them",
        ),
    )
    for matches, what, hint in rules:
        found = [operator for operator in view.operators if matches(operator.name)]
        if found:
            before = _before(view, found[0])
            raise ModelError(
                f"the model has {what}: {listed([_label(o) for o in found], 4)}",
                hint=hint + (f": `outputs: [{listed(before, 4)}]`" if before else ""),
            )


def _label(operator: Operator) -> str:
    return f"{operator.name.removeprefix('CUSTOM:')} (operator {operator.index})"


def _before(view: TfliteModel, operator: Operator) -> list[str]:
    """The results of other operators at which the model could end, not to reach an operator."""
    made = {index for other in view.operators for index in other.outputs}
    return [view.tensors[index].name for index in operator.inputs if index in made]


def _is_full_integer(view: TfliteModel) -> bool:
    floats = detection_operators(view)
    inner = [op for op in view.operators if op.index not in floats]
    used = {i for op in inner for i in (*op.inputs, *op.outputs) if i >= 0}
    detections = {i for index in floats for i in view.operators[index].outputs}
    ends = set(view.inputs) | (set(view.outputs) - detections)
    types = {view.tensors[i].type for i in used | ends}
    return not types & _FLOATS and bool(types & {"INT8", "UINT8"}) and "INT16" not in types


def _refuse_partly_quantized(view: TfliteModel) -> None:
    """Refuse models with quantized activations that are not full-integer int8."""
    for operator in view.operators:
        for index in (*operator.inputs, *operator.outputs):
            tensor = view.tensors[index]
            if (
                index >= 0
                and tensor.type in _QUANTIZED
                and tensor.scales
                and not tensor.is_constant
            ):
                kind = "int16" if tensor.type == "INT16" else "partly"
                raise ModelError(
                    f"this .tflite is {kind} quantized: {_label(operator)} works on "
                    f"{tensor.type} tensor {tensor.name}, other operators on other types",
                    hint="name the float model that it was made from; ranges that were rounded "
                    "once can't be chosen anew",
                )


def _already_quantized() -> Finding:
    return Finding(
        "CQ502",
        Severity.INFO,
        "the model is full-integer already: it was not quantized again",
        "calibration data are not used, and there is no float model to compare with",
    )


def _stripped() -> Finding:
    return Finding(
        "CQ503",
        Severity.INFO,
        "the float inputs and outputs around the full-integer model were taken off",
        "feed and read the model in integers, with the scales in its file",
    )


def _restored(names: list[str]) -> Finding:
    return Finding(
        "CQ504",
        Severity.WARNING,
        f"the file holds compressed weights instead of float ones: {listed(names, 3)}",
        "they were expanded to float and are quantized a second time: the original float model "
        "gives a better result",
    )
