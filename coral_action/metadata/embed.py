"""Putting metadata into a .tflite whose own bytes stay as they are.

A flatbuffer's offsets point forward only, so new tables go in front of the old file: a new root
that points at all that the old one points at, and at one more buffer. The old file follows whole,
shifted by a multiple of 64, so that constants keep their alignment and a compiled program every
byte. Label files are packed as a zip archive behind it all, which readers of zip files find from
the end (TFLite Metadata, "pack the associated files").
"""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

from coral_action.errors import ModelError
from coral_action.metadata.schema import LABELS_FILE, ModelDescription, encode
from coral_action.tflite import FILE_IDENTIFIER

ENTRY = b"TFLITE_METADATA"

# Fields of the table Model in schema.fbs (v3c); all but the version are offsets.
_VERSION, _BUFFERS, _METADATA, _KNOWN_FIELDS = 0, 4, 6, 10
_ALIGNMENT = 64
_BEGINS_WITH_NUMBER = re.compile(r"\s*\d+[:\s]")
_EARLIEST = (1980, 1, 1, 0, 0, 0)  # of a zip archive; the same bytes at any time


def embed(content: bytes, description: ModelDescription) -> bytes:
    """The model with metadata in it; one that has metadata is returned as it is.

    Raises:
        ModelError: if the file is damaged, or of a kind that can't be extended (above 2 GiB).
    """
    if has_metadata(content):
        return content
    try:
        extended = _with_metadata(content, encode(description))
    except (struct.error, IndexError) as error:
        raise ModelError("damaged TFLite file: an offset points outside of it") from error
    return _with_labels(extended, description.labels)


def has_metadata(content: bytes) -> bool:
    """Whether somebody has put metadata into the model before."""
    if content[4:8] != FILE_IDENTIFIER:
        raise ModelError("not a TFLite file: the identifier TFL3 is missing")
    try:
        entries = _Table(content, _at(content, 0)).vector(_METADATA)
        return any(_text(content, _Table(content, entry).target(0)) == ENTRY for entry in entries)
    except (struct.error, IndexError) as error:
        raise ModelError("damaged TFLite file: an offset points outside of it") from error


def label_text(labels: Sequence[str]) -> str:
    """A label file: one class a line, in the order of classes."""
    return "".join(f"{' '.join(label.split())}\n" for label in labels)


def numbered_label_text(labels: Sequence[str]) -> str:
    """A label file for pycoral and Frigate, which take a number that begins a line for the class.

    So where a name begins with one, such as "2 euro", each line gets its own.
    """
    if not any(_BEGINS_WITH_NUMBER.match(label) for label in labels):
        return label_text(labels)
    return label_text([f"{number} {label}" for number, label in enumerate(labels)])


class _Table:
    """A table of the old file: absolute positions of what its fields point at."""

    def __init__(self, content: bytes, position: int) -> None:
        self._content = content
        self._position = position
        (back,) = struct.unpack_from("<i", content, position)
        self._vtable = position - back
        size = struct.unpack_from("<H", content, self._vtable)[0]
        self.fields = (size - 4) // 2

    def place(self, field: int) -> int:
        """Where a field is, 0 if it is not there."""
        if field >= self.fields:
            return 0
        (offset,) = struct.unpack_from("<H", self._content, self._vtable + 4 + 2 * field)
        return self._position + int(offset) if offset else 0

    def number(self, field: int) -> int:
        """An unsigned number, 0 if it is not there."""
        place = self.place(field)
        return int(struct.unpack_from("<I", self._content, place)[0]) if place else 0

    def target(self, field: int) -> int:
        """What a field points at, 0 if it is not there."""
        place = self.place(field)
        return _at(self._content, place) if place else 0

    def vector(self, field: int) -> list[int]:
        """What the items of a vector of tables point at."""
        start = self.target(field)
        if not start:
            return []
        (count,) = struct.unpack_from("<I", self._content, start)
        if start + 4 + 4 * count > len(self._content):
            raise IndexError("a list is longer than the file")
        return [_at(self._content, start + 4 + 4 * item) for item in range(count)]


def _at(content: bytes, place: int) -> int:
    """What the offset at a place points at."""
    (offset,) = struct.unpack_from("<I", content, place)
    if place + offset >= len(content):
        raise IndexError("an offset points outside")
    return place + int(offset)


def _text(content: bytes, place: int) -> bytes:
    if not place:
        return b""
    (length,) = struct.unpack_from("<I", content, place)
    return content[place + 4 : place + 4 + length]


def _with_metadata(content: bytes, metadata: bytes) -> bytes:
    import flatbuffers

    root = _Table(content, _at(content, 0))
    buffers, entries = root.vector(_BUFFERS), root.vector(_METADATA)
    if root.fields > _KNOWN_FIELDS or any(_Table(content, b).place(1) for b in buffers):
        raise ModelError("this .tflite keeps its constants outside of the flatbuffer")
    builder = flatbuffers.Builder(len(metadata) + 8 * len(buffers) + 1024)
    builder.Prep(_ALIGNMENT, 0)
    # The builder names a place by its distance from the end of what it writes, where the old file
    # begins: a place in the old file is a negative distance.
    targets = {field: -root.target(field) for field in range(1, root.fields)}
    old_buffers, old_entries = ([-place for place in places] for places in (buffers, entries))
    targets[_BUFFERS] = _vector(builder, [*old_buffers, _buffer(builder, metadata)])
    targets[_METADATA] = _vector(builder, [*old_entries, _entry(builder, len(buffers))])
    builder.StartObject(_KNOWN_FIELDS)
    builder.PrependUint32Slot(_VERSION, root.number(_VERSION), 0)
    for field, target in targets.items():
        builder.PrependUOffsetTRelativeSlot(field, target, 0)
    builder.Finish(builder.EndObject(), FILE_IDENTIFIER)
    return bytes(builder.Output()) + content


def _buffer(builder: Any, data: bytes) -> int:
    """The table Buffer with these bytes, aligned as the schema asks for."""
    builder.Prep(16, len(data))
    held = builder.CreateByteVector(data)
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, held, 0)
    return int(builder.EndObject())


def _entry(builder: Any, buffer: int) -> int:
    """The table Metadata: its name, and the number of its buffer."""
    name = builder.CreateString(ENTRY)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUint32Slot(1, buffer, 0)
    return int(builder.EndObject())


def _vector(builder: Any, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _with_labels(content: bytes, labels: Sequence[str]) -> bytes:
    """The model with its label file as a zip archive behind it, not compressed: readers map it."""
    if not labels:
        return content
    file = io.BytesIO(content)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_STORED) as archive:
        info = zipfile.ZipInfo(LABELS_FILE, _EARLIEST)
        info.external_attr = 0o644 << 16
        archive.writestr(info, label_text(labels))
    return file.getvalue()
