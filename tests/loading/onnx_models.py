"""Networks on RGB images in ONNX, as PyTorch writes them, with ONNX's own reference results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

_SIDE = 16


class Network:
    """An ONNX graph, written node by node; tensors go by the names of what makes them."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(value.astype(np.float32), name))
        return name

    def drawn(self, *shape: int) -> np.ndarray:
        """Weights that keep the variance of what they are applied to."""
        return self._generator.normal(size=shape) / np.sqrt(np.prod(shape[1:]))

    def conv(self, x: str, into: int, of: int, *, group: int = 1, stride: int = 1) -> str:
        """A 3 x 3 convolution from `of` to `into` channels, padded by 1, and its normalization."""
        kernel = self.constant(self.drawn(into, of // group, 3, 3))
        y = self.node("Conv", [x, kernel], group=group, strides=[stride] * 2, pads=[1] * 4)
        spread = self._generator.uniform(0.5, 2.0, (2, into))
        scale, variance = (self.constant(row) for row in spread)
        shift, mean = (self.constant(self._generator.normal(size=into)) for _ in "ab")
        return self.node("BatchNormalization", [y, scale, shift, mean, variance])

    def classify(self, x: str, channels: int) -> str:
        y = self.node("Flatten", [self.node("GlobalAveragePool", [x])])
        return self.node("Gemm", [y, self.constant(self.drawn(channels, 4))])

    def save(self, path: Path, inputs: tuple[str, ...], output: str, shape: list[int]) -> None:
        """Write the model, a random input and what ONNX makes of it, images in NHWC."""
        import onnx
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        given = {name: self._generator.normal(size=(1, 3, _SIDE, _SIDE)) for name in inputs}
        infos = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape)
            for name, value in given.items()
        ]
        result = helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)
        graph = helper.make_graph(self._nodes, path.stem, infos, [result], self._constants)
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        onnx.save(model, path)
        values = {name: value.astype(np.float32) for name, value in given.items()}
        (right,) = ReferenceEvaluator(model).run(None, values)
        arrays = {f"in:{name}": value.transpose(0, 2, 3, 1) for name, value in values.items()}
        np.savez(
            path.with_name(f"{path.name}.npz"),
            **{
                **arrays,
                f"out:{output}": right.transpose(0, 2, 3, 1) if right.ndim == 4 else right,
            },
        )


def write_rgb_models(folder: Path) -> None:
    """A plain, a depthwise and a residual network, one of two images, and ResNet's first layers."""
    net = Network(1)
    x = net.node("Relu", [net.conv("image", 8, 3, stride=2)])
    net.save(folder / "rgb_plain.onnx", ("image",), net.classify(x, 8), [1, 4])

    net = Network(2)
    x = net.node("Sigmoid", [net.conv(net.conv("image", 3, 3, group=3), 6, 3)])
    net.save(folder / "rgb_depthwise.onnx", ("image",), x, [1, 6, _SIDE, _SIDE])

    net = Network(3)
    x = net.conv("image", 8, 3)
    y = net.conv(net.node("Relu", [net.conv(x, 8, 8)]), 8, 8)
    x = net.node("Relu", [net.node("Add", [x, y])])
    net.save(folder / "rgb_residual.onnx", ("image",), net.classify(x, 8), [1, 4])

    net = Network(4)
    x = net.node("Concat", [net.conv("left", 4, 3), net.conv("right", 4, 3)], axis=1)
    net.save(folder / "rgb_two.onnx", ("left", "right"), net.classify(x, 8), [1, 4])

    net = Network(5)
    x = net.node("Relu", [net.conv("image", 8, 3, stride=2)])
    x = net.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    net.save(folder / "rgb_pooled.onnx", ("image",), net.classify(x, 8), [1, 4])
