"""Reading and writing TFLite flatbuffers, without TensorFlow.

`read_model` gives a small read-only view (tensors, operators, signature). What edits a model uses
`unpack` and `pack`, the generated object API of the TFLite schema (schema v3,
tensorflow/compiler/mlir/lite/schema/schema.fbs).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.errors import ModelError
from coral_action.tflite_bounds import UnfoldsError, require_bounded

FILE_IDENTIFIER = b"TFL3"

# It ends detectors: boxes from encodings, and the best of them. It works in float, on the CPU.
DETECTIONS = "CUSTOM:TFLite_Detection_PostProcess"

# numpy dtype of each tensor type that has one (schema.fbs, enum TensorType).
NUMPY_DTYPES: dict[str, str] = {
    "FLOAT32": "float32",
    "FLOAT16": "float16",
    "FLOAT64": "float64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "BOOL": "bool",
}


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph.

    `shape` has -1 where the signature leaves a dimension open. `scales` and `zero_points` are empty
    for an unquantized tensor, one long for per-tensor and longer for per-channel quantization along
    `quantized_dimension`; real = scale * (stored - zero point).
    """

    index: int
    name: str
    shape: tuple[int, ...]
    type: str  # the schema's name: FLOAT32, INT8, ...
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    quantized_dimension: int
    data: npt.NDArray[np.uint8] | None  # the constant's bytes; None for an activation

    @property
    def is_constant(self) -> bool:
        """Whether the value is in the file."""
        return self.data is not None

    @property
    def dtype(self) -> str:
        """The numpy name of the type ("" where numpy has none)."""
        return NUMPY_DTYPES.get(self.type, "")

    def array(self) -> npt.NDArray[Any]:
        """The value of a constant, in the tensor's shape and dtype."""
        if self.data is None or not self.dtype:
            raise ModelError(f"tensor {self.name} holds no array")
        return np.frombuffer(self.data.tobytes(), dtype=self.dtype).reshape(self.shape)


@dataclass(frozen=True)
class Operator:
    """One operator. Missing optional inputs are -1, as in the file."""

    index: int
    name: str  # CONV_2D, or CUSTOM:<custom code>
    version: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any  # the schema's ...OptionsT object, or None
    custom_options: bytes = b""  # what a custom operator carries


@dataclass(frozen=True)
class Signature:
    """Names that the model's maker gave to inputs and outputs, with their tensor indices."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class TfliteModel:
    """The main subgraph of a model; `subgraph_count` tells whether there are others."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    signatures: tuple[Signature, ...]
    subgraph_count: int
    size_bytes: int
    description: str = ""

    def input_names(self) -> dict[str, int]:
        """Input names with tensor indices: the signature's, or else the tensors' own."""
        return self._names(self.inputs, "inputs")

    def output_names(self) -> dict[str, int]:
        """Output names with tensor indices: the signature's, or else the tensors' own."""
        return self._names(self.outputs, "outputs")

    def _names(self, indices: tuple[int, ...], kind: str) -> dict[str, int]:
        for signature in self.signatures:
            names: dict[str, int] = getattr(signature, kind)
            if set(names.values()) == set(indices):
                return {name: i for i in indices for name, index in names.items() if index == i}
        return {self.tensors[i].name: i for i in indices}


def detection_operators(model: TfliteModel) -> frozenset[int]:
    """Operators that may work in float after an integer model: what ends a detector.

    The indices of TFLite_Detection_PostProcess and of each DEQUANTIZE whose result nothing else
    reads.
    """
    ends = {op.index for op in model.operators if op.name == DETECTIONS}
    read_elsewhere = set(model.outputs).union(
        *(op.inputs for op in model.operators if op.index not in ends)
    )
    read_by_ends = set().union(*(model.operators[index].inputs for index in ends))
    feeding = {
        op.index
        for op in model.operators
        if op.name == "DEQUANTIZE"
        and set(op.outputs) <= read_by_ends
        and not set(op.outputs) & read_elsewhere
    }
    return frozenset(ends | feeding)


def schema() -> Any:
    """The generated schema module; imported late because it takes 20 ms."""
    from ai_edge_litert import schema_py_generated

    return schema_py_generated


def unpack(content: bytes) -> Any:
    """The schema's `ModelT` object of a flatbuffer.

    Raises:
        ModelError: if the bytes are no TFLite flatbuffer.
    """
    if content[4:8] != FILE_IDENTIFIER:
        raise ModelError("not a TFLite file: the identifier TFL3 is missing")
    try:
        require_bounded(schema().Model.GetRootAs(content, 0), len(content))
        return schema().ModelT.InitFromPackedBuf(content, 0)
    except UnfoldsError as error:
        raise ModelError(f"damaged TFLite file: {error}") from error
    except Exception as error:  # the generated reader raises whatever a damaged offset leads to
        raise ModelError(f"damaged TFLite file: {type(error).__name__} while reading it") from error


def pack(model: Any) -> bytes:
    """The flatbuffer of a `ModelT`; the same object always gives the same bytes."""
    import flatbuffers

    # The builder doubles its memory, and copies it, whenever it has too little.
    data = sum(len(buffer.data) for buffer in model.buffers or [] if buffer.data is not None)
    builder = flatbuffers.Builder(data + (1 << 20))
    builder.Finish(model.Pack(builder), FILE_IDENTIFIER)
    return bytes(builder.Output())


def read_model(source: Path | bytes) -> TfliteModel:
    """The main subgraph of a .tflite file as plain data.

    Raises:
        ModelError: if the file can't be read or is no TFLite flatbuffer.
    """
    name = f"{source}: " if isinstance(source, Path) else ""
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        return _view(unpack(content), len(content))
    except OSError as error:
        raise ModelError(f"{name}can't be read: {error.strerror}") from error
    except ModelError as error:
        raise ModelError(f"{name}{error.message}", hint=error.hint) from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{name}damaged TFLite file: {error}") from error


def _view(model: Any, size: int) -> TfliteModel:
    graph = model.subgraphs[0]
    codes = [_operator_code(code) for code in model.operatorCodes or []]
    operators = []
    for index, operator in enumerate(graph.operators or []):
        name, version = codes[operator.opcodeIndex]
        operators.append(
            Operator(
                index,
                name,
                version,
                _ints(operator.inputs),
                _ints(operator.outputs),
                operator.builtinOptions,
                _raw(operator.customOptions),
            )
        )
    _check_indices(graph, operators)
    return TfliteModel(
        tensors=tuple(_tensor(model, i, tensor) for i, tensor in enumerate(graph.tensors or [])),
        operators=tuple(operators),
        inputs=_ints(graph.inputs),
        outputs=_ints(graph.outputs),
        signatures=tuple(_signature(item) for item in model.signatureDefs or []),
        subgraph_count=len(model.subgraphs),
        size_bytes=size,
        description=_text(model.description),
    )


def _check_indices(graph: Any, operators: list[Operator]) -> None:
    """What a damaged file points at must be there; -1 is a missing optional input."""
    count = len(graph.tensors or [])
    named = [*_ints(graph.inputs), *_ints(graph.outputs)]
    for operator in operators:
        named += [*operator.inputs, *operator.outputs]
    if any(not -1 <= index < count for index in named):
        raise ModelError("damaged TFLite file: it names a tensor that is not there")


@cache
def _enum_names(enum: str) -> dict[int, str]:
    values = vars(getattr(schema(), enum))
    return {value: name for name, value in values.items() if isinstance(value, int)}


def _operator_code(code: Any) -> tuple[str, int]:
    # Files from before 2020 know only the deprecated 8-bit field; the larger of both is meant.
    builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _enum_names("BuiltinOperator").get(builtin, f"UNKNOWN_{builtin}")
    if name == "CUSTOM":
        name = f"CUSTOM:{_text(code.customCode)}"
    return name, max(code.version, 1)


def _tensor(model: Any, index: int, tensor: Any) -> Tensor:
    quantization = tensor.quantization
    shape = _ints(tensor.shape)
    signature = _ints(tensor.shapeSignature)
    data = model.buffers[tensor.buffer].data
    return Tensor(
        index=index,
        name=_text(tensor.name),
        shape=signature if len(signature) == len(shape) and -1 in signature else shape,
        type=_enum_names("TensorType").get(tensor.type, f"UNKNOWN_{tensor.type}"),
        scales=tuple(_list(quantization and quantization.scale)),
        zero_points=tuple(_list(quantization and quantization.zeroPoint)),
        quantized_dimension=quantization.quantizedDimension if quantization else 0,
        data=np.asarray(data, dtype=np.uint8) if data is not None and len(data) else None,
    )


def _signature(item: Any) -> Signature:
    return Signature(
        key=_text(item.signatureKey),
        inputs={_text(i.name): int(i.tensorIndex) for i in item.inputs or []},
        outputs={_text(o.name): int(o.tensorIndex) for o in item.outputs or []},
    )


def _text(value: bytes | str | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or ""


def _list(value: Any) -> list[Any]:
    """A vector as Python's own numbers, or objects; the schema leaves out empty ones."""
    if isinstance(value, np.ndarray):
        plain: list[Any] = value.tolist()
        return plain
    return [] if value is None else list(value)


def _ints(value: Any) -> tuple[int, ...]:
    return tuple(int(item) for item in _list(value))


def _raw(value: Any) -> bytes:
    return b"" if value is None else np.asarray(value, dtype=np.uint8).tobytes()
