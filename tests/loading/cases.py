"""Every kind of model file, what coral.yml says of it, and what is to come of it.

`python -m tests.loading.formats_doc` makes the table of docs/formats.md from these cases.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """A model that loads (`expected` names what its own framework computed) or is refused."""

    kind: str
    source: str
    config: dict[str, Any] = field(default_factory=dict)
    expected: str = ""
    refused: str = ""  # a part of the message
    integer: bool = False  # full-integer already
    findings: tuple[str, ...] = ()
    allow_custom_code: bool = False
    needs: str = ""  # a package that is an optional extra

    @property
    def id(self) -> str:
        return f"{self.source}-{self.kind}".replace(" ", "_")


def loads(kind: str, source: str, note: str = "", **options: Any) -> Case:
    config = {k: v for k, v in options.items() if k not in Case.__dataclass_fields__}
    known = {k: v for k, v in options.items() if k in Case.__dataclass_fields__}
    return Case(kind, source, config, expected=note or source, **known)


def refused(kind: str, source: str, message: str, **options: Any) -> Case:
    config = {k: v for k, v in options.items() if k not in Case.__dataclass_fields__}
    known = {k: v for k, v in options.items() if k in Case.__dataclass_fields__}
    return Case(kind, source, config, refused=message, **known)


SAVED_MODELS = [
    loads("SavedModel of TensorFlow 2", "saved"),
    loads("its saved_model.pb instead of the folder", "saved/saved_model.pb", "saved"),
    loads(
        "SavedModel, cut at an inner node",
        "saved",
        outputs=["StatefulPartitionedCall/cnn_1/pool_1/Mean"],
        note="saved@pool",
    ),
    loads(
        "SavedModel of TensorFlow 1",
        "tf1",
        constants={"keep_prob": 1.0, "is_training": False},
    ),
    refused(
        "SavedModel of TensorFlow 1, with keep_prob",
        "tf1",
        "keep_prob is a single number",
        constants={"is_training": False},
    ),
    loads("SavedModel, one of several signatures", "two", signature="pool"),
    refused("SavedModel, several signatures", "two", "several signatures: classify, pool"),
    refused("SavedModel, unknown signature", "two", "no signature named no", signature="no"),
    loads("SavedModel without signature, with `__call__`", "unsigned"),
    loads("SavedModel with swish", "swish"),
    loads("SavedModel with swish, outputs named", "swish", outputs=["output_0"]),
    loads("SavedModel with a gradient of its own", "rounding", outputs=["out"]),
    loads("SavedModel, open size", "open", input_shapes={"image": [1, 8, 8, 3]}),
    refused("SavedModel, open size, not given", "open", "its size is not in the file"),
    loads("SavedModel with an input that nothing needs", "unused", findings=("CQ501",)),
    refused(
        "the same, with that input named",
        "unused",
        "does not depend on the input labels",
        inputs=["x", "labels"],
    ),
    refused("SavedModel with a loop", "looping", "control flow (loops)"),
    refused("SavedModel with Python functions", "with_python", "runs code of its own"),
    refused("SavedModel whose weights are a Git LFS pointer", "lfs", "a Git LFS pointer"),
]

FROZEN_GRAPHS = [
    loads(
        "frozen graph",
        "frozen.pb",
        outputs=["scores"],
        constants={"keep_prob": 1.0, "is_training": False},
    ),
    loads(
        "frozen graph with branches of TensorFlow 2",
        "frozen_v2.pb",
        outputs=["scores"],
        constants={"keep_prob": 1.0, "is_training": False},
    ),
    loads(
        "frozen graph, cut at an inner node",
        "frozen.pb",
        "frozen.pb@hidden",
        outputs=["hidden"],
    ),
    loads("frozen graph with a gradient of its own", "rounding.pb", outputs=["out"]),
    refused(
        "frozen graph, several outputs",
        "frozen.pb",
        "2 possible outputs: scores, side",
        constants={"is_training": False},
    ),
    refused(
        "frozen graph, keep_prob open",
        "frozen.pb",
        "keep_prob is a single number",
        outputs=["scores"],
        constants={"is_training": False},
    ),
    refused(
        "frozen graph, is_training open",
        "frozen.pb",
        "control flow (branches",
        outputs=["scores"],
    ),
    refused("frozen graph that decodes JPEG", "jpeg.pb", "takes text or encoded data"),
    loads("frozen graph, cut behind its decoder", "jpeg.pb", inputs={"resized": None}),
    refused(
        "graph with variables",
        "unfrozen.pb",
        "not frozen: it has variables",
        constants={"keep_prob": 1.0, "is_training": False},
    ),
    refused("MetaGraph .pb", "graph.pb", "a MetaGraph, which has a graph but no weights"),
    refused("graph as text", "frozen.pbtxt", "a GraphDef in text form"),
    refused("checkpoint folder", "checkpoints", "a folder of checkpoints"),
    refused("checkpoint index", "checkpoints/model.ckpt.index", "part of a checkpoint"),
    refused(
        "checkpoint data", "checkpoints/model.ckpt.data-00000-of-00001", "part of a checkpoint"
    ),
]

KERAS = [
    loads("Keras 3 .keras", "functional.keras"),
    loads("Keras 3 Sequential", "sequential.keras"),
    loads(
        "Keras, outputs cut at a layer",
        "functional.keras",
        "functional.keras@pool",
        outputs=["pool"],
    ),
    loads(
        "Keras, inputs cut at a layer",
        "functional.keras",
        "functional.keras@relu",
        inputs=["relu"],
    ),
    refused("Keras, unknown layer", "functional.keras", "named no", outputs=["no"]),
    loads("Keras, open size", "open_size.keras", inputs={"image": [1, 8, 8, 3]}),
    refused("Keras, open size, not given", "open_size.keras", "its size is not in the file"),
    loads("Keras 3 .h5", "functional.h5"),
    loads("Keras 2 .h5", "legacy.h5"),
    loads("Keras 2 .keras", "legacy.keras"),
    loads("Keras 2 .h5 with TensorFlow operators", "op_layers.h5"),
    refused(
        "Keras, layer with an umlaut",
        "umlaut.keras",
        "'größe' is not a valid scope name",
    ),
    refused("Keras weights", "only.weights.h5", "weights but no model"),
    loads("Keras 3 with swish", "swish.keras"),
    loads("Keras 3 .h5 with swish", "swish.h5"),
    loads("EfficientNetB0", "efficientnet.keras"),
    loads("several inputs and outputs", "multi.keras"),
    loads("one of several outputs", "multi.keras", outputs=["boxes"]),
    loads("int32 input", "int32.keras"),
    loads("uint8 input", "uint8.keras"),
    *(loads(f"rank {rank}", f"rank{rank}.keras") for rank in range(1, 6)),
    loads("LSTM, 6 steps", "lstm.keras"),
    loads("two GRU layers, 6 steps", "gru_stack.keras"),
    loads("bidirectional LSTM, 5 steps", "bidirectional.keras"),
    loads("LSTM, length given", "lstm_open.keras", input_shapes={"steps": [1, 7, 4]}),
    loads("LSTM of Keras 2, 6 steps", "lstm_legacy.h5"),
    refused("LSTM, length not given", "lstm_open.keras", "its size is not in the file"),
    refused("LSTM, 129 steps", "lstm_long.keras", "runs 129 steps; up to 128 are unrolled"),
    refused("Lambda layer in .keras", "lambda.keras", "code of its own: own (Lambda)"),
    refused("Lambda layer in .h5", "lambda.h5", "code of its own: own (Lambda)"),
    refused("Lambda layer in .h5 of Keras 2", "lambda_legacy.h5", "code of its own: own (Lambda)"),
    refused("own layer class", "own.keras", "own (Own) from the module"),
    refused("call into another module", "attack.keras", "harmless (system) from the module os"),
    refused("TensorFlow operator that writes files", "op_attack.h5", "calling io.write_file"),
    loads("Lambda layer in .keras, allowed", "lambda.keras", allow_custom_code=True),
    loads("Lambda layer in .h5, allowed", "lambda.h5", allow_custom_code=True),
    loads("Lambda layer in .h5 of Keras 2, allowed", "lambda_legacy.h5", allow_custom_code=True),
]

TFLITE = [
    loads("float .tflite", "float.tflite"),
    loads("float16 weights", "float16.tflite"),
    loads("dynamic-range weights", "dynamic_range.tflite", findings=("CQ504",)),
    loads("open batch, shapes computed at run time", "open_batch.tflite"),
    loads("open size", "open_size.tflite", inputs={"image": [1, 8, 8, 3]}),
    refused("open size, not given", "open_size.tflite", "its size is not in the file"),
    loads("full-integer int8", "int8.tflite", note="-", integer=True, findings=("CQ502",)),
    loads(
        "int8 with float inputs and outputs",
        "int8_float_io.tflite",
        note="-",
        integer=True,
        findings=("CQ502", "CQ503"),
    ),
    refused("int16 activations", "int16.tflite", "is int16 quantized"),
    refused("loop", "while.tflite", "control flow, which the Edge TPU can't run: WHILE"),
    refused("custom operator", "custom.tflite", "custom operators, which have no int8 kernel"),
    loads("custom operator, cut off", "custom.tflite", note="-", outputs=["Tanh"]),
    refused("unknown tensor", "float.tflite", "no tensor named no", outputs=["no"]),
]

ONNX = [
    loads("ONNX, NCHW", "digits.onnx", "digits", needs="onnx2tf"),
    loads("ONNX, open batch", "digits_open.onnx", "digits", needs="onnx2tf"),
    loads("ONNX, cut", "digits.onnx", note="-", outputs=["logits"], needs="onnx2tf"),
    loads("ONNX of one RGB image", "rgb_plain.onnx", needs="onnx2tf"),
    loads("ONNX of one RGB image, depthwise", "rgb_depthwise.onnx", needs="onnx2tf"),
    loads("ONNX of one RGB image, residual", "rgb_residual.onnx", needs="onnx2tf"),
    loads("ONNX of one RGB image, padded MaxPool", "rgb_pooled.onnx", needs="onnx2tf"),
    loads("ONNX of two RGB images", "rgb_two.onnx", needs="onnx2tf"),
    refused("ONNX with a loop", "loop.onnx", "control flow", needs="onnx2tf"),
    refused("ONNX with operators of others", "foreign.onnx", "not ONNX's own", needs="onnx2tf"),
]

FOREIGN = [
    refused("Git LFS pointer", "pointer.tflite", "a Git LFS pointer"),
    refused("PyTorch (zip)", "model.pt", "a PyTorch file"),
    refused("PyTorch before 1.6", "old.pth", "a PyTorch file"),
    refused("pickle", "model.pkl", "a Python pickle"),
    refused("safetensors", "model.safetensors", "a safetensors file"),
    refused("TensorFlow.js", "model.json", "a TensorFlow.js model"),
    refused("web page", "page.tflite", "a web page, not a model"),
    refused("gzip archive", "model.tar.gz", "a gzip archive"),
    refused("zip with a model in it", "bundle.zip", "a zip archive with a model in it"),
    refused("empty file", "empty.pb", "an empty file"),
    refused("anything else", "noise.bin", "not a model that is known here"),
    refused("folder without model", "nothing", "no SavedModel"),
    refused("no such file", "missing.pb", "no such file or folder"),
]

SECTIONS = {
    "SavedModel": SAVED_MODELS,
    "TensorFlow 1": FROZEN_GRAPHS,
    "Keras": KERAS,
    "TFLite": TFLITE,
    "ONNX": ONNX,
    "Everything else": FOREIGN,
}
CASES = [case for cases in SECTIONS.values() for case in cases]
