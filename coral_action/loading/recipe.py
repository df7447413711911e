"""The one way from TensorFlow to a float .tflite; runs in the child process.

A frozen, static, batch-1 ConcreteFunction goes through `TFLiteConverter.from_concrete_functions`:
without freezing Keras 3 models fail to convert, and without a static batch the graph carries
SHAPE/STRIDED_SLICE/PACK chains that the Edge TPU compiler refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.errors import CoralQuantizeError, ModelError
from coral_action.findings import Finding, Severity
from coral_action.loading.control_flow import refuse_control_flow
from coral_action.loading.float_model import TensorSpec
from coral_action.loading.gradients import forget_gradients
from coral_action.loading.interface import (
    Loaded,
    LoadRequest,
    OpenInput,
    Traceable,
    listed,
    static_input,
)
from coral_action.loading.tflite_graph import set_interface
from coral_action.tflite import pack, unpack

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Frozen:
    """A static model whose weights are constants, as TensorFlow runs it."""

    function: Any  # a ConcreteFunction of tensors in the order of `inputs`
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    def run(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name for inputs by name, each with a batch dimension of 1."""
        import tensorflow as tf

        tensors = [tf.constant(values[spec.name], dtype=spec.dtype) for spec in self.inputs]
        results = self.function(*tensors)
        return {n: np.asarray(r) for n, r in zip(self.outputs, results, strict=True)}


def freeze(model: Traceable, request: LoadRequest) -> Frozen:
    """The model with static shapes and constant weights.

    Inputs that coral.yml fixes under `constants`, and inputs that no output depends on, are gone.

    Raises:
        ModelError: if inputs stay open, the graph has control flow, or TensorFlow can't trace it.
    """
    specs = [static_input(i, request) for i in model.inputs if i.name not in request.constants]
    frozen = _freeze(model, request, specs)
    needed_nodes = _needed_nodes(frozen)
    needed = [s for i, s in enumerate(specs) if frozen.inputs[i].op.name in needed_nodes]
    unused = [spec.name for spec in specs if spec not in needed]
    _check_inputs(request, needed, unused, model.outputs)
    if unused:
        frozen = _freeze(model, request, needed)
        needed_nodes = _needed_nodes(frozen)
    nodes = frozen.graph.as_graph_def().node
    refuse_control_flow(node for node in nodes if node.name in needed_nodes)
    findings = tuple(_dropped(name, model.outputs) for name in unused)
    return Frozen(frozen, tuple(needed), tuple(model.outputs), findings)


def convert(model: Frozen) -> Loaded:
    """A float .tflite of the model, its signature carrying the model's own names.

    Raises:
        ModelError: if TensorFlow can't convert the model.
    """
    content = _convert_frozen(model.function)
    names = [spec.name for spec in model.inputs]
    return Loaded(_name_signature(content, names, list(model.outputs)), findings=model.findings)


def _freeze(model: Traceable, request: LoadRequest, specs: Sequence[TensorSpec]) -> Any:
    """The model's graph with its weights as constants; inputs that `specs` lacks are constants."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    def flat(*tensors: Any) -> list[Any]:
        given = {spec.name: tensor for spec, tensor in zip(specs, tensors, strict=True)}
        everything = [
            given[item.name] if item.name in given else _fixed(item, request)
            for item in model.inputs
        ]
        return [tf.identity(tensor) for tensor in model.function(*everything)]

    signature = [
        tf.TensorSpec(spec.shape, spec.dtype, name=f"input_{i}") for i, spec in enumerate(specs)
    ]
    try:
        traced = tf.function(flat, autograph=False).get_concrete_function(*signature)
        # Loops keep their names: they are refused by name, not lowered to pieces.
        return convert_variables_to_constants_v2(traced, lower_control_flow=False)
    except CoralQuantizeError:
        raise
    except Exception as error:
        reason = _reason(error)
        hint = "check `inputs` and their shapes in coral.yml; see --debug for all that it says"
        if "not a valid scope name" in reason:
            hint = "rename that layer where the model is built, and save it again"
        raise ModelError(f"TensorFlow can't trace this model: {reason}", hint=hint) from error


def _fixed(item: OpenInput, request: LoadRequest) -> Any:
    """The value of an input that coral.yml fixes; zeros for one that nothing depends on."""
    import tensorflow as tf

    value = request.constants.get(item.name, 0)
    shape = request.shape(item.name) or [1 if size is None else size for size in item.shape or ()]
    if isinstance(value, list) and item.shape is None:
        return tf.cast(tf.constant(value), item.dtype)
    return tf.cast(tf.broadcast_to(tf.constant(value), shape), item.dtype)


def _needed_nodes(frozen: Any) -> dict[str, Any]:
    """All operations that the outputs depend on, by name."""
    pending = [tensor.op for tensor in frozen.outputs]
    found: dict[str, Any] = {}
    while pending:
        op = pending.pop()
        if op.name not in found:
            found[op.name] = op
            pending.extend(tensor.op for tensor in op.inputs)
            pending.extend(op.control_inputs)
    return found


def _check_inputs(
    request: LoadRequest,
    needed: Sequence[TensorSpec],
    unused: Sequence[str],
    outputs: Sequence[str],
) -> None:
    if not needed:
        raise ModelError(
            f"nothing that {listed(outputs)} depends on is an input",
            hint="name other outputs, or name the inputs: `inputs: {name: [1, 224, 224, 3]}`",
        )
    for name in unused:
        if name in request.inputs:
            raise ModelError(
                f"{listed(outputs)} does not depend on the input {name}",
                hint=f"inputs that are needed: {listed([spec.name for spec in needed])}",
            )


def _dropped(name: str, outputs: Sequence[str]) -> Finding:
    return Finding(
        "CQ501",
        Severity.INFO,
        f"input {name} was dropped: {listed(outputs)} does not depend on it",
        "feed the int8 model without it",
        tensor=name,
    )


def _convert_frozen(frozen: Any) -> bytes:
    import tensorflow as tf

    forget_gradients(frozen.graph)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
    try:
        return bytes(converter.convert())
    except Exception as error:
        raise ModelError(
            f"TensorFlow can't convert this model to TFLite: {_reason(error)}",
            hint="operators outside of TFLite's own can't run on the Edge TPU: cut them off with "
            "`inputs` and `outputs`; see --debug",
            topic="operator-not-in-tflite",
        ) from error


def _reason(error: BaseException) -> str:
    """The line of an error of TensorFlow or Keras that names the trouble."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line or "is neither a custom op" in line]
    # Keras says first where it was, and in the next line what happened there.
    happened = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (telling or happened or lines or [type(error).__name__])[0][:300]


def _name_signature(content: bytes, inputs: list[str], outputs: list[str]) -> bytes:
    """Give the flatbuffer one signature with these names, replacing input_0, output_0 and so on.

    The converter sorts inputs and outputs in its own way; here they get the model's order. Where it
    writes no signature, it keeps that order itself.

    Raises:
        ModelError: if inputs or outputs are missing.
    """
    model = unpack(content)
    graph = model.subgraphs[0]
    if not model.signatureDefs:
        if (len(graph.inputs), len(graph.outputs)) != (len(inputs), len(outputs)):
            raise ModelError(
                f"TensorFlow made {len(graph.inputs)} inputs and {len(graph.outputs)} outputs of "
                f"{listed(inputs)} and {listed(outputs)}",
                hint="of `outputs` that are one and the same tensor, name one in coral.yml",
            )
        set_interface(
            model,
            dict(zip(inputs, graph.inputs, strict=True)),
            dict(zip(outputs, graph.outputs, strict=True)),
        )
        return pack(model)
    (signature,) = model.signatureDefs
    for kind, names in (("inputs", inputs), ("outputs", outputs)):
        maps = getattr(signature, kind)
        maps.sort(key=lambda item: int(item.name.decode().rpartition("_")[2]))
        for item, name in zip(maps, names, strict=True):
            item.name = name
        setattr(graph, kind, [item.tensorIndex for item in maps])
    return pack(model)
