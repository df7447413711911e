"""Small int8 graphs, written with the TFLite schema, for rules and for the stand-in compiler."""

from __future__ import annotations

from typing import Any

import numpy as np

from coral_action.tflite import pack, schema

Shape = tuple[int, ...]


class Graph:
    """Builds a flatbuffer: tensors and operators are added one by one."""

    def __init__(self) -> None:
        self.api = schema()
        self.model = self.api.ModelT()
        self.model.version = 3
        self.model.buffers = [self._buffer(None)]
        self.model.operatorCodes = []
        self.graph = self.api.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def _buffer(self, data: bytes | None) -> Any:
        buffer = self.api.BufferT()
        buffer.data = None if data is None else np.frombuffer(data, np.uint8)
        return buffer

    def tensor(
        self,
        name: str,
        shape: Shape,
        type_: str = "INT8",
        value: Any = None,
        scale: float = 0.05,
        zero_point: int = 0,
    ) -> int:
        tensor = self.api.TensorT()
        tensor.name, tensor.shape = name, [max(1, size) for size in shape]
        if -1 in shape:
            tensor.shapeSignature = list(shape)
        tensor.type = getattr(self.api.TensorType, type_)
        tensor.buffer = 0
        if value is not None:
            dtype = {"INT8": np.int8, "UINT8": np.uint8, "INT32": np.int32, "FLOAT32": np.float32}
            data = np.asarray(value, dtype[type_]).tobytes()
            self.model.buffers.append(self._buffer(data))
            tensor.buffer = len(self.model.buffers) - 1
        if type_ in ("INT8", "UINT8"):
            tensor.quantization = self.api.QuantizationParametersT()
            tensor.quantization.scale = [scale]
            tensor.quantization.zeroPoint = [zero_point]
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def input(self, name: str, shape: Shape, type_: str = "INT8", **more: Any) -> int:
        index = self.tensor(name, shape, type_, **more)
        self.graph.inputs.append(index)
        return index

    def operator(
        self,
        name: str,
        inputs: list[int],
        outputs: list[int],
        version: int = 1,
        options: Any = None,
        **values: Any,
    ) -> int:
        code = self.api.OperatorCodeT()
        if name.startswith("CUSTOM:"):
            code.customCode = name.removeprefix("CUSTOM:")
            builtin = self.api.BuiltinOperator.CUSTOM
        else:
            builtin = getattr(self.api.BuiltinOperator, name)
        code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
        code.version = version
        self.model.operatorCodes.append(code)
        operator = self.api.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, outputs
        if options:
            operator.builtinOptions = getattr(self.api, f"{options}T")()
            operator.builtinOptionsType = getattr(self.api.BuiltinOptions, options)
            for key, value in values.items():
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)
        return len(self.graph.operators) - 1

    def output(self, *indices: int) -> Graph:
        self.graph.outputs += indices
        return self

    def bytes(self) -> bytes:
        return pack(self.model)


def chain(names: list[str], shape: Shape = (1, 8, 8, 4), weights: int = 16) -> bytes:
    """Operators in a row; tensor `t3` is made by operator 3. ADD adds a constant."""
    graph = Graph()
    last = graph.input("in", shape, "UINT8" if names[0] == "QUANTIZE" else "INT8")
    for number, name in enumerate(names):
        inputs = [last]
        if name == "ADD":
            constant = graph.tensor(f"c{number}", (weights,), value=[3] * weights)
            inputs.append(constant)
        last = graph.tensor(f"t{number}", shape)
        graph.operator(name, inputs, [last])
    return graph.output(last).bytes()
