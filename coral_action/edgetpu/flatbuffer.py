"""Reading flatbuffer tables by field number, every offset checked against the buffer's end.

The schema of the Edge TPU's package is small and the bytes are a stranger's: a damaged offset
raises `ModelError`, and no length is believed before it was held against what is there.
Format: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from coral_action.errors import ModelError

# Offsets may point at one place from many: a small file could unfold to all memory. Those that the
# compiler writes have some ten layers and executables, and names of some ten letters.
_MOST_ITEMS = 4096
_LONGEST_TEXT = 4096


def _damaged(what: str) -> ModelError:
    return ModelError(f"damaged Edge TPU package: {what}")


def _unpack(form: str, buffer: bytes, position: int) -> int | float:
    if position < 0 or position + struct.calcsize(form) > len(buffer):
        raise _damaged("an offset points outside of it")
    value: int | float = struct.unpack_from(form, buffer, position)[0]
    return value


def _uint(buffer: bytes, position: int) -> int:
    return int(_unpack("<I", buffer, position))


@dataclass(frozen=True)
class Table:
    """A flatbuffer table: fields by number, missing ones have their default."""

    buffer: bytes
    position: int

    def _at(self, field: int) -> int | None:
        vtable = self.position - int(_unpack("<i", self.buffer, self.position))
        if 4 + 2 * field >= int(_unpack("<H", self.buffer, vtable)):
            return None
        offset = int(_unpack("<H", self.buffer, vtable + 4 + 2 * field))
        return self.position + offset if offset else None

    def integer(self, field: int, form: str = "<i") -> int:
        """An integer; `form` as in `struct`."""
        at = self._at(field)
        return 0 if at is None else int(_unpack(form, self.buffer, at))

    def real(self, field: int) -> float:
        """A 32-bit float."""
        at = self._at(field)
        return 0.0 if at is None else float(_unpack("<f", self.buffer, at))

    def _vector(self, field: int, item_bytes: int) -> tuple[int, int]:
        """Where a vector's items begin, and how many there are."""
        at = self._at(field)
        if at is None:
            return 0, 0
        start = at + _uint(self.buffer, at)
        length = _uint(self.buffer, start)
        if start + 4 + length * item_bytes > len(self.buffer):
            raise _damaged("a list is longer than the rest of it")
        return start + 4, length

    def raw(self, field: int) -> bytes:
        """A vector of bytes, or a string's bytes."""
        start, length = self._vector(field, 1)
        return self.buffer[start : start + length]

    def raw_size(self, field: int) -> int:
        """The length of a vector of bytes, without copying it."""
        return self._vector(field, 1)[1]

    def text(self, field: int) -> str:
        """A string."""
        start, length = self._vector(field, 1)
        if length > _LONGEST_TEXT:
            raise _damaged("a name is too long")
        return self.buffer[start : start + length].decode("utf-8", "replace")

    def table(self, field: int) -> Table | None:
        """A table inside this one."""
        at = self._at(field)
        return None if at is None else Table(self.buffer, at + _uint(self.buffer, at))

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        return [Table(self.buffer, at) for at in self._targets(field)]

    def byte_strings(self, field: int) -> list[bytes]:
        """A vector of strings, as bytes; together they are no longer than the buffer."""
        found: list[bytes] = []
        left = len(self.buffer)
        for at in self._targets(field):
            length = _uint(self.buffer, at)
            if at + 4 + length > len(self.buffer):
                raise _damaged("a text is longer than the rest of it")
            left -= length
            if left < 0:
                raise _damaged("its parts are used over and over")
            found.append(self.buffer[at + 4 : at + 4 + length])
        return found

    def _targets(self, field: int) -> list[int]:
        start, length = self._vector(field, 4)
        if length > _MOST_ITEMS:
            raise _damaged("a list is too long")
        places = range(start, start + 4 * length, 4)
        return [place + _uint(self.buffer, place) for place in places]


def root_table(buffer: bytes, identifier: bytes = b"") -> Table:
    """The outermost table.

    Raises:
        ModelError: if the identifier is another one, or the buffer is too short.
    """
    if identifier and buffer[4:8] != identifier:
        raise _damaged(f"the identifier {identifier.decode()} is missing")
    return Table(buffer, _uint(buffer, 0))
