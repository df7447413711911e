"""Editing the main subgraph of a float .tflite: what observation and rewrites need, no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.errors import ModelError
from coral_action.tflite import NUMPY_DTYPES, pack, schema, unpack

Array = npt.NDArray[Any]


class Graph:
    """The main subgraph of a model, for editing.

    Tensors are named by their index, which no edit changes: new ones are appended. Operators keep
    the order of `operators`, which must stay an order in which they can run.
    """

    def __init__(self, content: bytes) -> None:
        """Unpack a flatbuffer.

        Raises:
            ModelError: if the bytes are no TFLite flatbuffer.
        """
        self.model = unpack(content)
        self._graph = self.model.subgraphs[0]
        self._codes = _code_names()

    @property
    def operators(self) -> list[Any]:
        """The schema's OperatorT objects, in order of execution."""
        if self._graph.operators is None:
            self._graph.operators = []
        found: list[Any] = self._graph.operators
        return found

    @operators.setter
    def operators(self, value: list[Any]) -> None:
        self._graph.operators = value

    @property
    def tensors(self) -> list[Any]:
        """The schema's TensorT objects."""
        found: list[Any] = self._graph.tensors
        return found

    @property
    def inputs(self) -> list[int]:
        """Tensor indices of the inputs."""
        return [int(i) for i in self._graph.inputs]

    @inputs.setter
    def inputs(self, value: Sequence[int]) -> None:
        self._graph.inputs = np.asarray(value, dtype=np.int32)

    @property
    def outputs(self) -> list[int]:
        """Tensor indices of the outputs."""
        return [int(i) for i in self._graph.outputs]

    @outputs.setter
    def outputs(self, value: Sequence[int]) -> None:
        self._graph.outputs = np.asarray(value, dtype=np.int32)

    def pack(self) -> bytes:
        """The edited flatbuffer."""
        return pack(self.model)

    def kind(self, operator: Any) -> str:
        """The operator's name in the schema: CONV_2D."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return self._codes.get(max(code.builtinCode, code.deprecatedBuiltinCode), "UNKNOWN")

    def name(self, tensor: int) -> str:
        """A tensor's name."""
        name = self.tensors[tensor].name
        return name.decode("utf-8", "replace") if isinstance(name, bytes) else name or ""

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape as the file has it; () for a scalar."""
        shape = self.tensors[tensor].shape
        return () if shape is None else tuple(int(d) for d in shape)

    def is_static(self, tensor: int) -> bool:
        """Whether no dimension is open."""
        signature = self.tensors[tensor].shapeSignature
        return signature is None or -1 not in [int(d) for d in signature]

    def is_float(self, tensor: int) -> bool:
        """Whether a tensor is FLOAT32."""
        return bool(self.tensors[tensor].type == schema().TensorType.FLOAT32)

    def array(self, tensor: int) -> Array | None:
        """The value of a constant as a read-only array; None for an activation."""
        held = self.tensors[tensor]
        data = self.model.buffers[held.buffer].data
        if data is None or not len(data):
            return None
        dtype = NUMPY_DTYPES[_type_names()[held.type]]
        return np.frombuffer(bytes(bytearray(data)), dtype=dtype).reshape(self.shape(tensor))

    def constant(self, tensor: int) -> Array:
        """The value of a constant.

        Raises:
            ModelError: if the tensor is none.
        """
        value = self.array(tensor)
        if value is None:
            raise ModelError(f"tensor {self.name(tensor)} is not constant")
        return value

    def set_array(self, tensor: int, value: Array) -> None:
        """Replace the value of a constant; other tensors that share its buffer keep theirs."""
        held = self.tensors[tensor]
        held.buffer = self._buffer(value)
        held.shape = np.asarray(value.shape, dtype=np.int32)

    def consumers(self, tensor: int) -> list[Any]:
        """The operators that read a tensor."""
        return [op for op in self.operators if tensor in [int(i) for i in _list(op.inputs)]]

    def producer(self, tensor: int) -> Any | None:
        """The operator that writes a tensor; None for inputs and constants."""
        found = (op for op in self.operators if tensor in [int(i) for i in _list(op.outputs)])
        return next(found, None)

    def activations(self) -> Iterator[tuple[int, Any | None]]:
        """Inputs and operator outputs in order of execution, each with its operator."""
        for index in self.inputs:
            yield index, None
        for operator in self.operators:
            for index in _list(operator.outputs):
                if index >= 0:
                    yield int(index), operator

    def add_tensor(self, name: str, shape: Sequence[int], type_: str = "FLOAT32") -> int:
        """A new activation."""
        tensor = schema().TensorT()
        tensor.name = name.encode()
        tensor.shape = np.asarray(shape, dtype=np.int32)
        tensor.type = getattr(schema().TensorType, type_)
        tensor.buffer = 0  # by the format, buffer 0 is the empty one
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_constant(self, name: str, value: Array) -> int:
        """A new constant of the array's shape and dtype."""
        type_ = next(key for key, dtype in NUMPY_DTYPES.items() if dtype == value.dtype.name)
        index = self.add_tensor(name, value.shape, type_)
        self.tensors[index].buffer = self._buffer(value)
        return index

    def make_operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> Any:
        """An operator that is not yet part of the graph; `options` is an ...OptionsT object."""
        operator = schema().OperatorT()
        operator.opcodeIndex = self._opcode(kind, version)
        operator.inputs = np.asarray(inputs, dtype=np.int32)
        operator.outputs = np.asarray(outputs, dtype=np.int32)
        if options is not None:
            operator.builtinOptions = options
            operator.builtinOptionsType = getattr(
                schema().BuiltinOptions, type(options).__name__.removesuffix("T")
            )
        return operator

    def replace(self, old: Any, new: Sequence[Any]) -> None:
        """Put operators in the place of one."""
        position = next(i for i, op in enumerate(self.operators) if op is old)
        self.operators[position : position + 1] = list(new)

    def set_version(self, operator: Any, version: int) -> None:
        """Give one operator another version; others of its kind keep theirs."""
        operator.opcodeIndex = self._opcode(self.kind(operator), version)

    def _opcode(self, kind: str, version: int) -> int:
        number = getattr(schema().BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            known = max(code.builtinCode, code.deprecatedBuiltinCode)
            if known == number and max(code.version, 1) == version:
                return index
        code = schema().OperatorCodeT()
        code.builtinCode = number
        code.deprecatedBuiltinCode = min(number, 127)  # old readers know only these 7 bits
        code.version = version
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def _buffer(self, value: Array) -> int:
        buffer = schema().BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(value).tobytes(), dtype=np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1


def _list(value: Any) -> list[int]:
    return [] if value is None else [int(item) for item in value]


def _code_names() -> dict[int, str]:
    values = vars(schema().BuiltinOperator).items()
    return {value: name for name, value in values if isinstance(value, int)}


def _type_names() -> dict[int, str]:
    values = vars(schema().TensorType).items()
    return {value: name for name, value in values if isinstance(value, int)}
