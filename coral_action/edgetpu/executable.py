"""What a compiled `_edgetpu.tflite` says of itself.

A compiled file is an ordinary TFLite file in which each Edge TPU subgraph is one custom operator.
Its options hold a package: executables with their parameters, memory and interface. Field numbers
are those of Google's published executable.fbs (google-coral/libedgetpu, executable/).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from coral_action.edgetpu.flatbuffer import Table, root_table
from coral_action.errors import ModelError
from coral_action.tflite import Operator, TfliteModel, read_model

EDGE_TPU_OPERATOR = "CUSTOM:edgetpu-custom-op"

Kind = Literal["stand_alone", "parameter_caching", "execution_only", "unknown"]

_KINDS: dict[int, Kind] = {0: "stand_alone", 1: "parameter_caching", 2: "execution_only"}
_PACKAGE_KEY = "4"
_CHIPS_KEY = "6"  # only compiler 16.0 writes it

# executable.fbs, enum DataType.
_DATA_TYPES = {
    0: "UINT8",
    1: "UINT16",
    2: "INT32",
    3: "BFLOAT",
    4: "FLOAT16",
    5: "FLOAT32",
    8: "INT8",
    9: "INT16",
}
_SIGNED_OFFSET = {"INT8": 128, "INT16": 32768}


@dataclass(frozen=True)
class Layer:
    """One input or output of the Edge TPU's part; shape is (y, x, z).

    `stored_zero_point` is the package's: it counts codes from 0. `zero_point` is the tensor's own,
    so that real = scale * (stored value - zero_point).
    """

    name: str
    shape: tuple[int, int, int]
    size_bytes: int  # z padded to the chip's width
    type: str
    scale: float
    stored_zero_point: int
    executions: int  # how often it is transferred at each inference

    @property
    def zero_point(self) -> int:
        """The tensor's zero point, in its own data type."""
        return self.stored_zero_point - _SIGNED_OFFSET.get(self.type, 0)


@dataclass(frozen=True)
class Executable:
    """One program for the chip. Sizes in bytes; `estimated_cycles` is 0 where not filled."""

    kind: Kind
    name: str
    batch: int
    parameter_bytes: int
    scratch_bytes: int  # host memory for activations that don't fit on the chip
    tile_bytes: int  # narrow memory used on each tile
    instruction_bytes: int
    estimated_cycles: int
    caching_token: int
    chip: str
    inputs: tuple[Layer, ...]
    outputs: tuple[Layer, ...]


@dataclass(frozen=True)
class EdgeTpuSubgraph:
    """One `edgetpu-custom-op`: a package of executables."""

    operator: int
    min_runtime_version: int
    compiler_version: str  # often an empty "cl/"
    executables: tuple[Executable, ...]

    @property
    def cached_bytes(self) -> int:
        """Parameters that are loaded once and stay in the chip's memory."""
        return sum(e.parameter_bytes for e in self.executables if e.kind == "parameter_caching")

    @property
    def streamed_bytes(self) -> int:
        """Parameters that cross the bus at every inference."""
        return sum(e.parameter_bytes for e in self.executables if e.kind != "parameter_caching")

    @property
    def scratch_bytes(self) -> int:
        """Host memory for activations that spill."""
        return sum(e.scratch_bytes for e in self.executables)

    @property
    def estimated_cycles(self) -> int:
        """The compiler's own estimate of the chip's cycles, 0 where it gave none (16.0)."""
        return sum(e.estimated_cycles for e in self.executables if e.kind != "parameter_caching")

    @property
    def inputs(self) -> tuple[Layer, ...]:
        """The interface, input side."""
        return tuple(layer for e in self.executables for layer in e.inputs)

    @property
    def outputs(self) -> tuple[Layer, ...]:
        """The interface, output side."""
        return tuple(layer for e in self.executables for layer in e.outputs)


@dataclass(frozen=True)
class CompiledModel:
    """All that a compiled file tells; `cpu_operators` are those that stayed ordinary."""

    size_bytes: int
    compiler: str
    subgraphs: tuple[EdgeTpuSubgraph, ...]
    cpu_operators: tuple[str, ...]

    @property
    def min_runtime_version(self) -> int:
        """The oldest Edge TPU runtime that can run it."""
        return max((s.min_runtime_version for s in self.subgraphs), default=0)

    @property
    def cached_bytes(self) -> int:
        """Parameters kept on the chip."""
        return sum(s.cached_bytes for s in self.subgraphs)

    @property
    def streamed_bytes(self) -> int:
        """Parameters streamed at every inference."""
        return sum(s.streamed_bytes for s in self.subgraphs)

    @property
    def scratch_bytes(self) -> int:
        """Host memory for activations."""
        return sum(s.scratch_bytes for s in self.subgraphs)

    @property
    def estimated_cycles(self) -> int:
        """The compiler's estimate, 0 where it gave none."""
        return sum(s.estimated_cycles for s in self.subgraphs)

    @property
    def caching_tokens(self) -> tuple[int, ...]:
        """Models compiled together share one; otherwise random from run to run."""
        tokens = {e.caching_token for s in self.subgraphs for e in s.executables}
        return tuple(sorted(tokens - {0}))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "size_bytes": self.size_bytes,
            "compiler": self.compiler,
            "min_runtime_version": self.min_runtime_version,
            "cached_parameter_bytes": self.cached_bytes,
            "streamed_parameter_bytes": self.streamed_bytes,
            "scratch_bytes": self.scratch_bytes,
            "estimated_cycles": self.estimated_cycles or None,
            "caching_tokens": [f"{token:016x}" for token in self.caching_tokens],
            "cpu_operators": list(self.cpu_operators),
            "subgraphs": [_subgraph_json(subgraph) for subgraph in self.subgraphs],
        }


def _subgraph_json(subgraph: EdgeTpuSubgraph) -> dict[str, Any]:
    def layer_json(layer: Layer) -> dict[str, Any]:
        return {**asdict(layer), "shape": list(layer.shape), "zero_point": layer.zero_point}

    return {
        "operator": subgraph.operator,
        "min_runtime_version": subgraph.min_runtime_version,
        "compiler_version": subgraph.compiler_version,
        "cached_parameter_bytes": subgraph.cached_bytes,
        "streamed_parameter_bytes": subgraph.streamed_bytes,
        "scratch_bytes": subgraph.scratch_bytes,
        "estimated_cycles": subgraph.estimated_cycles or None,
        "inputs": [layer_json(layer) for layer in subgraph.inputs],
        "outputs": [layer_json(layer) for layer in subgraph.outputs],
        "executables": [
            {
                **{k: v for k, v in asdict(e).items() if k not in ("inputs", "outputs")},
                "caching_token": f"{e.caching_token:016x}",
            }
            for e in subgraph.executables
        ],
    }


def read_compiled(source: Path | bytes | TfliteModel) -> CompiledModel:
    """Read a compiled file.

    A file with no Edge TPU subgraph is read as well: its `subgraphs` are empty.

    Raises:
        ModelError: if it is no TFLite file, or its package is damaged.
    """
    model = source if isinstance(source, TfliteModel) else read_model(source)
    subgraphs: list[EdgeTpuSubgraph] = []
    era = _era(model.description)
    for operator in model.operators:
        if operator.name != EDGE_TPU_OPERATOR:
            continue
        package, has_chips = _package(operator)
        subgraphs.append(_subgraph(operator.index, package))
        era = "16.0" if has_chips else era
    left = tuple(o.name for o in model.operators if o.name != EDGE_TPU_OPERATOR)
    return CompiledModel(model.size_bytes, era, tuple(subgraphs), left)


def _era(description: str) -> str:
    """Which compilers write a description so, going by files whose logs are known."""
    return {
        "Exported from Interpreter.": "1.0 to 2.1",
        "Exported from Subgraph.": "15.0 or 16.0",
    }.get(description, "unknown")


def _package(operator: Operator) -> tuple[bytes, bool]:
    from flatbuffers import flexbuffers

    try:
        options = flexbuffers.GetRoot(bytearray(operator.custom_options)).AsMap
        keys = {key.AsKey for key in options.Keys}
        entry = options[_PACKAGE_KEY]
        package = bytes(entry.AsBlob if entry.IsBlob else entry.AsStringBytes)
    except Exception as error:  # the reader raises whatever damaged bytes lead to
        raise ModelError(
            f"operator {operator.index}: its options hold no Edge TPU package"
        ) from error
    return package, _CHIPS_KEY in keys


def _subgraph(index: int, package: bytes) -> EdgeTpuSubgraph:
    table = root_table(package, b"DWN1")
    executables = root_table(table.raw(1)).byte_strings(0)
    return EdgeTpuSubgraph(
        operator=index,
        min_runtime_version=table.integer(0),
        compiler_version=table.text(4),
        executables=tuple(_executable(root_table(item)) for item in executables),
    )


def _executable(table: Table) -> Executable:
    return Executable(
        kind=_KINDS.get(table.integer(13, "<h"), "unknown"),
        name=table.text(1),
        batch=table.integer(3),
        parameter_bytes=table.raw_size(6),
        scratch_bytes=table.integer(4),
        tile_bytes=table.integer(12),
        instruction_bytes=sum(item.raw_size(0) for item in table.tables(5)),
        estimated_cycles=max(table.integer(11), table.integer(16, "<q")),
        caching_token=table.integer(14, "<Q"),
        chip=table.text(10),
        inputs=tuple(_layer(item) for item in table.tables(8)),
        outputs=tuple(_layer(item) for item in table.tables(9)),
    )


def _layer(table: Table) -> Layer:
    numerics = table.table(5)
    code = table.integer(6, "<h")
    return Layer(
        name=table.text(0),
        shape=(table.integer(2), table.integer(3), table.integer(4)),
        size_bytes=table.integer(1),
        type=_DATA_TYPES.get(code, f"type {code}"),
        scale=numerics.real(1) if numerics else 0.0,
        stored_zero_point=numerics.integer(0) if numerics else 0,
        executions=table.integer(9),
    )


def same_program(first: bytes, second: bytes) -> bool:
    """Whether two compiled files are equal but for the random caching token.

    The compiler draws the 8-byte token anew at each run and stores it in each executable
    (google-coral/edgetpu#885).
    """
    return _without_tokens(first) == _without_tokens(second)


def _without_tokens(content: bytes) -> bytes:
    for token in read_compiled(content).caching_tokens:
        content = content.replace(token.to_bytes(8, "little"), bytes(8))
    return content
