"""Reading metadata by the field numbers of the published metadata_schema.fbs alone."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import flatbuffers
import numpy as np
from flatbuffers import number_types as numbers

from coral_action.tflite import unpack


class Table:
    """One table; fields by number."""

    def __init__(self, buffer: bytes, place: int) -> None:
        self.table = flatbuffers.table.Table(buffer, place)

    def _field(self, number: int) -> int:
        offset = self.table.Offset(4 + 2 * number)
        return offset and offset + self.table.Pos

    def text(self, number: int) -> str:
        place = self._field(number)
        return self.table.String(place).decode() if place else ""

    def byte(self, number: int) -> int:
        place = self._field(number)
        return self.table.Get(numbers.Int8Flags, place) if place else 0

    def integer(self, number: int) -> int:
        place = self._field(number)
        return self.table.Get(numbers.Int32Flags, place) if place else 0

    def child(self, number: int) -> Table:
        place = self._field(number)
        assert place
        return Table(self.table.Bytes, self.table.Indirect(place))

    def children(self, number: int) -> list[Table]:
        offset = self.table.Offset(4 + 2 * number)
        if not offset:
            return []
        start = self.table.Vector(offset)
        return [
            Table(self.table.Bytes, self.table.Indirect(start + 4 * item))
            for item in range(self.table.VectorLen(offset))
        ]

    def array(self, number: int, flags: Any) -> list[float]:
        offset = self.table.Offset(4 + 2 * number)
        return list(self.table.GetVectorAsNumpy(flags, offset))


def metadata_of(content: bytes) -> Table | None:
    """The table ModelMetadata of a .tflite."""
    model = unpack(content)
    for entry in model.metadata or []:
        if entry.name == b"TFLITE_METADATA":
            data = np.asarray(model.buffers[entry.buffer].data, dtype=np.uint8).tobytes()
            assert data[4:8] == b"M001"
            return Table(data, int.from_bytes(data[:4], "little"))
    return None


def tensors_of(metadata: Table) -> tuple[list[Table], list[Table]]:
    """TensorMetadata of the inputs and of the outputs."""
    (subgraph,) = metadata.children(3)
    return subgraph.children(2), subgraph.children(3)


def packed_files(content: bytes) -> dict[str, str]:
    """The files that are packed into a model."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        return {name: archive.read(name).decode() for name in archive.namelist()}
