"""Tiny float flatbuffers, made by hand: a tensor list, an operator list, a signature."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.loading import FloatModel
from coral_action.loading.float_model import interface_of
from coral_action.tflite import pack, read_model, schema


@dataclass
class GraphMaker:
    """Builds one subgraph, operator by operator."""

    model: Any = field(default_factory=lambda: schema().ModelT())
    names: dict[str, list[tuple[str, int]]] = field(
        default_factory=lambda: {"inputs": [], "outputs": []}
    )

    def __post_init__(self) -> None:
        s = schema()
        self.model.version = 3
        self.model.operatorCodes = []
        self.graph = s.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.name = "main"
        self.model.subgraphs = [self.graph]
        self.model.buffers = [s.BufferT()]

    def tensor(self, name: str, shape: tuple[int, ...], value: Any = None) -> int:
        s = schema()
        tensor = s.TensorT()
        tensor.name, tensor.shape, tensor.buffer = name, list(shape), 0
        tensor.type = s.TensorType.FLOAT32
        if value is not None:
            array = np.ascontiguousarray(value)
            if array.dtype == np.int32:
                tensor.type = s.TensorType.INT32
            else:
                array = array.astype(np.float32)
            buffer = s.BufferT()
            buffer.data = np.frombuffer(array.tobytes(), dtype=np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def input(self, name: str, shape: tuple[int, ...]) -> int:
        index = self.tensor(name, shape)
        self.names["inputs"].append((name, index))
        return index

    def output(self, name: str, index: int) -> None:
        self.names["outputs"].append((name, index))

    def operator(
        self, kind: str, inputs: list[int], outputs: list[int], options: tuple[str, Any] | None
    ) -> None:
        """`kind` is a built-in operator, or `CUSTOM:name` with its options as bytes."""
        s = schema()
        code = s.OperatorCodeT()
        builtin, _, custom = kind.partition(":")
        code.builtinCode = getattr(s.BuiltinOperator, builtin)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        code.customCode = custom or None
        self.model.operatorCodes.append(code)
        operator = s.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if custom and options is not None:
            operator.customOptions = list(options[1])
        elif options is not None:
            operator.builtinOptionsType = getattr(s.BuiltinOptions, options[0])
            operator.builtinOptions = options[1]
        self.graph.operators.append(operator)

    def write(self, path: Path) -> FloatModel:
        s = schema()
        self.graph.inputs = [index for _, index in self.names["inputs"]]
        self.graph.outputs = [index for _, index in self.names["outputs"]]
        signature = s.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = "serving_default", 0
        for kind, pairs in self.names.items():
            maps = []
            for name, index in pairs:
                entry = s.TensorMapT()
                entry.name, entry.tensorIndex = name, index
                maps.append(entry)
            setattr(signature, kind, maps)
        self.model.signatureDefs = [signature]
        path.write_bytes(pack(self.model))
        return FloatModel(path, "tflite", **interface_of(read_model(path)))


def detector(path: Path, anchors: np.ndarray, classes: int, keep: int) -> FloatModel:
    """Box encodings and class scores side by side, (1, anchors, 4 + classes), to detections."""
    from flatbuffers import flexbuffers

    make = GraphMaker()
    count = len(anchors)
    image = make.input("encodings_and_scores", (1, count, 4 + classes))
    sizes = make.tensor("sizes", (2,), np.array([4, classes], dtype=np.int32))
    axis = make.tensor("axis", (), np.array(2, dtype=np.int32))
    encodings = make.tensor("encodings", (1, count, 4))
    scores = make.tensor("scores", (1, count, classes))
    options = schema().SplitVOptionsT()
    options.numSplits = 2
    make.operator("SPLIT_V", [image, sizes, axis], [encodings, scores], ("SplitVOptions", options))
    anchor_tensor = make.tensor("anchors", anchors.shape, anchors)
    found = [
        make.tensor("detection_boxes", (1, keep, 4)),
        make.tensor("detection_classes", (1, keep)),
        make.tensor("detection_scores", (1, keep)),
        make.tensor("num_detections", (1,)),
    ]
    builder = flexbuffers.Builder()
    with builder.Map():
        builder.Int("max_detections", keep)
        builder.Int("max_classes_per_detection", 1)
        builder.Int("num_classes", classes)
        for key, value in (
            ("y_scale", 10.0),
            ("x_scale", 10.0),
            ("h_scale", 5.0),
            ("w_scale", 5.0),
        ):
            builder.Float(key, value)
        builder.Float("nms_score_threshold", 0.0)
        builder.Float("nms_iou_threshold", 0.6)
        builder.Bool("use_regular_nms", False)
    make.operator(
        "CUSTOM:TFLite_Detection_PostProcess",
        [encodings, scores, anchor_tensor],
        found,
        ("", builder.Finish()),
    )
    for index in found:
        make.output(make.graph.tensors[index].name, index)
    return make.write(path)


def mixer(path: Path, shape: tuple[int, int, int], weights: np.ndarray) -> FloatModel:
    """A 1x1 convolution of an image (1, height, width, channels) with weights (out, in)."""
    make = GraphMaker()
    image = make.input("image", (1, *shape))
    outputs = len(weights)
    kernel = make.tensor("kernel", (outputs, 1, 1, shape[2]), weights.reshape(outputs, 1, 1, -1))
    bias = make.tensor("bias", (outputs,), np.zeros(outputs))
    scores = make.tensor("scores", (1, *shape[:2], outputs))
    options = schema().Conv2DOptionsT()
    options.strideH = options.strideW = options.dilationHFactor = options.dilationWFactor = 1
    make.operator("CONV_2D", [image, kernel, bias], [scores], ("Conv2DOptions", options))
    make.output("scores", scores)
    return make.write(path)


_QUANTIZE = """
import json, sys
from pathlib import Path
from coral_action.quantization.quantizer import annotate, quantize
content, ranges, target = Path(sys.argv[1]).read_bytes(), json.loads(sys.argv[2]), sys.argv[3]
Path(target).write_bytes(quantize(annotate(content, {int(i): tuple(r) for i, r in ranges.items()})))
"""


def quantized(model: FloatModel, ranges: dict[str, tuple[float, float]], path: Path) -> Path:
    """The model in int8, with these ranges for tensors by name, whatever is left in float.

    In a process of its own: the quantizer stubs TensorFlow's packages.
    """
    indices = {tensor.name: tensor.index for tensor in read_model(model.path).tensors}
    by_index = json.dumps({indices[name]: limits for name, limits in ranges.items()})
    command = [sys.executable, "-c", _QUANTIZE, str(model.path), by_index, str(path)]
    project = Path(__file__).resolve().parents[2]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    return path
