"""ONNX files, through onnx2tf: NCHW made NHWC. An optional extra: `coral-quantize[onnx]`."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.errors import ModelError
from coral_action.loading.interface import (
    LoadRequest,
    OpenInput,
    Traceable,
    check_constants,
    check_names,
    listed,
    static_shape,
)

_NEEDED = ("onnx2tf", "onnx", "onnx_graphsurgeon", "sng4onnx", "psutil", "tf_keras")
_CONTROL_FLOW = frozenset({"Loop", "If", "Scan", "SequenceMap"})
_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul"})
_OWN_DOMAINS = frozenset({"", "ai.onnx"})
# The size of onnx2tf's own sample images: number, height, width, channels.
_SAMPLE_IMAGES = (20, 128, 128, 3)


def load(request: LoadRequest) -> Traceable:
    """An ONNX model as a function, its image inputs in NHWC order.

    Shapes in coral.yml are in the file's own order, which is NCHW for images.

    Raises:
        ModelError: if onnx2tf is not installed, or can't convert the model.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ModelError(
            f"this is an ONNX model, and reading it needs {', '.join(missing)}",
            hint="pip install 'coral-quantize[onnx]', or export a SavedModel instead",
            topic="onnx-extra",
        )
    with tempfile.TemporaryDirectory() as folder:
        path, graph = _prepare(request, Path(folder))
        model = _convert(path, _overwritten_shapes(graph, request), Path(folder))
    inputs = _input_names(graph)
    outputs = [output.name for output in graph.output]
    if len(model.inputs) != len(inputs) or len(model.outputs) != len(outputs):
        raise ModelError(
            f"onnx2tf made {len(model.inputs)} inputs and {len(model.outputs)} outputs of "
            f"{len(inputs)} and {len(outputs)}",
            hint="cut the model with `inputs` and `outputs`, or export a SavedModel instead",
        )

    def function(*tensors: Any) -> Sequence[Any]:
        import tensorflow as tf

        results = model(tensors[0] if len(tensors) == 1 else list(tensors), training=False)
        return list(tf.nest.flatten(results))

    opened = tuple(
        OpenInput(name, tuple(tensor.shape), str(tensor.dtype.name))
        for name, tensor in zip(inputs, model.inputs, strict=True)
    )
    return Traceable(function, opened, tuple(outputs))


def _prepare(request: LoadRequest, folder: Path) -> tuple[Path, Any]:
    """The model cut and checked, in a file of its own, and its graph."""
    import onnx

    try:
        model = onnx.load(request.source)
        if request.inputs or request.outputs:
            model = _cut(model, request)
        onnx.checker.check_model(model)
    except ModelError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"{request.source}: a damaged ONNX file: {reason[:200]}",
            hint="the download or copy did not finish; export or fetch the file again",
            topic="damaged-file",
        ) from error
    known = _input_names(model.graph)
    check_names("input", list(request.input_shapes), known)
    check_constants(request, known)
    _refuse_nodes(model.graph)
    path = folder / "model.onnx"
    onnx.save(model, str(path))
    return path, model.graph


def _cut(model: Any, request: LoadRequest) -> Any:
    import onnx
    from onnx.utils import Extractor

    model = onnx.shape_inference.infer_shapes(model)
    tensors = {name for node in model.graph.node for name in (*node.input, *node.output) if name}
    names = sorted(tensors)
    check_names("tensor", [*request.inputs, *request.outputs], names)
    inputs = list(request.inputs) or _input_names(model.graph)
    outputs = list(request.outputs) or [output.name for output in model.graph.output]
    return Extractor(model).extract_model(inputs, outputs)


def _refuse_nodes(graph: Any) -> None:
    rules: tuple[tuple[Any, str, str], ...] = (
        (
            lambda node: node.domain not in _OWN_DOMAINS,
            "operators that are not ONNX's own",
            "cut them off with `inputs` and `outputs`",
        ),
        (
            lambda node: node.op_type in _CONTROL_FLOW,
            "control flow, which the Edge TPU can't run",
            "export it without loops and branches, or cut them off with `inputs` and `outputs`",
        ),
        (
            lambda node: node.op_type in _QUANTIZED,
            "quantized operators already",
            "export the float model: ranges that were rounded once can't be chosen anew",
        ),
    )
    for matches, what, hint in rules:
        found = [
            f"{node.name or node.output[0]} ({node.op_type})"
            for node in graph.node
            if matches(node)
        ]
        if found:
            raise ModelError(f"the model has {what}: {listed(found, 4)}", hint=hint)


def _input_names(graph: Any) -> list[str]:
    """Inputs without the initializers, which old files list among them."""
    constants = {tensor.name for tensor in graph.initializer}
    return [item.name for item in graph.input if item.name not in constants]


def _overwritten_shapes(graph: Any, request: LoadRequest) -> list[str]:
    """onnx2tf's option for static shapes, `name:1,3,224,224` for every input."""
    shapes = []
    for item in graph.input:
        if item.name not in _input_names(graph):
            continue
        kind = item.type.tensor_type
        known = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
        if item.name in request.constants and None not in known:
            shape = tuple(size for size in known if size is not None)
        else:
            open_shape = known if kind.HasField("shape") else None
            shape = static_shape(item.name, open_shape, request.shape(item.name))
        shapes.append(f"{item.name}:{','.join(map(str, shape))}")
    return shapes


def _convert(path: Path, shapes: list[str], folder: Path) -> Any:
    """The model as one of tf-keras; onnx2tf talks much and ends the process when it gives up."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            import onnx2tf

            with _made_images():
                return onnx2tf.convert(
                    input_onnx_file_path=str(path),
                    output_folder_path=str(folder / "converted"),
                    overwrite_input_shape=shapes,
                    not_use_onnxsim=True,
                    enable_rnn_unroll=True,
                    disable_model_save=True,
                    non_verbose=True,
                )
    except (Exception, SystemExit) as error:
        raise ModelError(
            f"onnx2tf can't convert this model: {_reason(error, said.getvalue())}",
            hint="export a SavedModel instead, or cut the model with `inputs` and `outputs`",
        ) from error


@contextlib.contextmanager
def _made_images() -> Iterator[None]:
    """Give onnx2tf made-up images for those that it fetches from GitHub, or from the work folder.

    It asks for them where every input has three channels, and only to try its own layers out on
    them: any values between 0 and 1 do.
    """
    converter: Any = importlib.import_module("onnx2tf.onnx2tf")
    fetch = converter.download_test_image_data
    images = np.random.default_rng(0).random(_SAMPLE_IMAGES, dtype=np.float32)
    converter.download_test_image_data = lambda: images
    try:
        yield
    finally:
        converter.download_test_image_data = fetch


def _reason(error: BaseException, said: str) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    lines = [line.strip() for line in plain.splitlines() if "ERROR:" in line]
    own = str(error).strip().splitlines()
    return (lines[:1] or own[:1] or [type(error).__name__])[0][:300]
