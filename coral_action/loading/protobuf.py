"""Looking into TensorFlow's and ONNX's protocol buffers without importing either.

Only tags and lengths are read (protocol buffers encoding: a tag is field number * 8 + wire type).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

GRAPH_DEF = "GraphDef"
SAVED_MODEL = "SavedModel"
META_GRAPH = "MetaGraphDef"
ONNX_MODEL = "ModelProto"

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_FIELDS = 32
_MAX_VARINT_BYTES = 10


@dataclass(frozen=True)
class Field:
    """One field of a message: its number, wire type and, for `_LENGTH`, where its bytes begin."""

    number: int
    wire_type: int
    start: int


def message_kind(path: Path) -> str | None:
    """Which of the four messages a file holds; None for anything else.

    The field numbers are those of graph.proto, saved_model.proto, meta_graph.proto and onnx.proto.
    """
    with path.open("rb") as file:
        fields = _fields(file, path.stat().st_size)
        kinds = {(field.number, field.wire_type) for field in fields}
        if not fields or fields[0].number != 1:
            return None
        if fields[0].wire_type == _VARINT:  # ir_version, or saved_model_schema_version
            if kinds & {(7, _LENGTH), (8, _LENGTH)}:
                return ONNX_MODEL
            return SAVED_MODEL if (2, _LENGTH) in kinds else None
        is_node = _looks_like_node(file, fields[0].start)
        # saver_def, signature_def, asset_file_def: a GraphDef has no such fields.
        if kinds & {(3, _LENGTH), (5, _LENGTH), (6, _LENGTH)}:
            return META_GRAPH
        if is_node:
            return GRAPH_DEF
        return META_GRAPH if (2, _LENGTH) in kinds else None


def saved_model_nodes(content: bytes) -> Iterator[tuple[str, str]]:
    """Name and operator of every node of a SavedModel's graphs and of their functions.

    Raises:
        ValueError: if the bytes are no protocol buffer.
    """
    whole = memoryview(content)
    for meta_graph in _messages(whole, 2):  # SavedModel.meta_graphs
        for graph in _messages(meta_graph, 2):  # MetaGraphDef.graph_def
            for node in _messages(graph, 1):  # GraphDef.node
                yield _text(node, 1), _text(node, 2)
            for library in _messages(graph, 2):  # GraphDef.library
                for function in _messages(library, 1):  # FunctionDefLibrary.function
                    for node in _messages(function, 3):  # FunctionDef.node_def
                        yield _text(node, 1), _text(node, 2)


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    """The length-delimited fields of this number in a message."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        wire_type, length = tag & 7, 0
        if wire_type == _VARINT:
            _, position = _read_varint(data, position)
        elif wire_type == _LENGTH:
            length, position = _read_varint(data, position)
        elif wire_type in (_FIXED64, _FIXED32):
            length = 8 if wire_type == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {position}")
        if position + length > len(data):
            raise ValueError("it ends too early")
        if wire_type == _LENGTH and tag >> 3 == wanted:
            yield data[position : position + length]
        position += length


def _text(message: memoryview, number: int) -> str:
    """The last field of this number as text, which is the one that counts; empty without one."""
    found = b""
    for item in _messages(message, number):
        found = bytes(item)
    return found.decode("utf-8", "replace")


def _read_varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 7 * _MAX_VARINT_BYTES, 7):
        if position >= len(data):
            raise ValueError("it ends too early")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
    raise ValueError(f"a number without end at byte {position}")


def _fields(file: BinaryIO, size: int) -> list[Field]:
    """The first fields, up to the first thing that is no field."""
    found: list[Field] = []
    file.seek(0)
    while len(found) < _MAX_FIELDS and file.tell() < size:
        tag = _varint(file)
        if tag is None or tag >> 3 == 0:
            break
        number, wire_type = tag >> 3, tag & 7
        length: int | None = {_FIXED64: 8, _FIXED32: 4}.get(wire_type, 0)
        if wire_type == _VARINT:
            length = None if _varint(file) is None else 0
        elif wire_type == _LENGTH:
            length = _varint(file)
        elif wire_type not in (_FIXED64, _FIXED32):
            length = None
        if length is None:
            break
        found.append(Field(number, wire_type, file.tell()))
        if file.tell() + length > size:
            break
        file.seek(length, 1)
    return found


def _varint(file: BinaryIO) -> int | None:
    value = 0
    for position in range(_MAX_VARINT_BYTES):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << (7 * position)
        if not byte[0] & 0x80:
            return value
    return None


def _looks_like_node(file: BinaryIO, start: int) -> bool:
    """Whether a message begins as NodeDef does: 1 name, 2 op, both text."""
    file.seek(start)
    for expected in (1, 2):
        tag = _varint(file)
        length = _varint(file)
        if tag != expected << 3 | _LENGTH or length is None or length > 4096:
            return False
        text = file.read(length)
        if not text.isascii() or not text:
            return False
    return True
