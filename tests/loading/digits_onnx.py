"""The digits example as ONNX, as PyTorch would export it: NCHW, written node by node."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

# Stride of each convolution of examples/digits/train.py, by layer name.
_STRIDES = {"conv": 2, "block2_depthwise": 2, "block4_depthwise": 2}
_BLOCKS = ("block1", "block2", "block3", "block4")

_WEIGHTS_SCRIPT = """
import json, sys, keras, numpy as np
model = keras.models.load_model(sys.argv[1], compile=False)
arrays = {
    f"{layer.name}/{i}": array
    for layer in model.layers
    for i, array in enumerate(layer.get_weights())
}
np.savez(sys.argv[2], **arrays)
print(json.dumps({layer.name: getattr(layer, "epsilon", 0) for layer in model.layers}))
"""


def read_weights(keras_file: Path, folder: Path) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Arrays by `layer/number` and epsilons by layer; Keras runs in a process of its own."""
    target = folder / "weights.npz"
    run = subprocess.run(
        [sys.executable, "-c", _WEIGHTS_SCRIPT, str(keras_file), str(target)],
        check=True,
        capture_output=True,
        text=True,
    )
    with np.load(target) as arrays:
        return dict(arrays), json.loads(run.stdout.splitlines()[-1])


def write_digits_onnx(keras_file: Path, target: Path, *, batch: int | str = 1) -> None:
    """Write the network of examples/digits with its trained weights as NCHW ONNX."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights, epsilons = read_weights(keras_file, target.parent)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

    def convolution(name: str, x: str, norm: str, *, depthwise: bool = False) -> str:
        kernel = weights[f"{name}/0"]  # (height, width, in, out), or (..., in, 1) if depthwise
        stride = _STRIDES.get(name, 1)
        kernel = kernel.transpose(2, 3, 0, 1) if depthwise else kernel.transpose(3, 2, 0, 1)
        y = node(
            "Conv",
            [x, constant(f"{name}.weight", kernel)],
            f"{name}_out",
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            group=kernel.shape[0] if depthwise else 1,
            auto_pad="SAME_UPPER",
        )
        gamma, beta, mean, variance = (weights[f"{norm}_bn/{i}"] for i in range(4))
        parameters = {"gamma": gamma, "beta": beta, "mean": mean, "variance": variance}
        names = [constant(f"{norm}_bn.{key}", value) for key, value in parameters.items()]
        y = node(
            "BatchNormalization", [y, *names], f"{norm}_bn_out", epsilon=epsilons[f"{norm}_bn"]
        )
        return node("Clip", [y, "zero", "six"], f"{norm}_relu6_out")

    constant("zero", np.array(0.0))
    constant("six", np.array(6.0))
    x = convolution("conv", "image", "conv")
    for block in _BLOCKS:
        x = convolution(f"{block}_depthwise", x, f"{block}_depthwise", depthwise=True)
        x = convolution(f"{block}_pointwise", x, f"{block}_pointwise")
    x = node("GlobalAveragePool", [x], "pool_out")
    x = node("Flatten", [x], "flat_out", axis=1)
    kernel = constant("dense.weight", weights["probabilities/0"])
    x = node("Gemm", [x, kernel, constant("dense.bias", weights["probabilities/1"])], "logits")
    node("Softmax", [x], "probabilities", axis=1)
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 1, 28, 28])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [batch, 10])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    target.write_bytes(model.SerializeToString())
