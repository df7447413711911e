"""Writes what a compiled file holds, for the stand-in compiler: package, executables, layers."""

from __future__ import annotations

import struct
from typing import Any

import flatbuffers
from flatbuffers import flexbuffers

Field = tuple[str, Any]  # kind, value


def table(builder: flatbuffers.Builder, fields: dict[int, Field]) -> int:
    """A flatbuffer table from fields by number: `int`, `short`, `ulong`, `float` or `offset`."""
    builder.StartObject(17)
    for number, (kind, value) in fields.items():
        if kind == "offset":
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
        else:
            prepend = {
                "int": builder.PrependInt32Slot,
                "short": builder.PrependInt16Slot,
                "ulong": builder.PrependUint64Slot,
                "long": builder.PrependInt64Slot,
                "float": builder.PrependFloat32Slot,
            }[kind]
            prepend(number, value, 0)
    return builder.EndObject()


def vector(builder: flatbuffers.Builder, offsets: list[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def executable(
    kind: int,
    parameters: bytes,
    token: int,
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
    cycles: int = 0,
    scratch: int = 0,
) -> bytes:
    builder = flatbuffers.Builder(1024)
    chip, name = builder.CreateString("beagle"), builder.CreateString("model")
    sides = [
        vector(builder, [_layer(builder, item) for item in side]) for side in (inputs, outputs)
    ]
    data = builder.CreateByteVector(parameters)
    root = table(
        builder,
        {
            1: ("offset", name),
            3: ("int", 1),
            4: ("int", scratch),
            6: ("offset", data),
            8: ("offset", sides[0]),
            9: ("offset", sides[1]),
            10: ("offset", chip),
            13: ("short", kind),
            14: ("ulong", token),
            16: ("long", cycles),
        },
    )
    builder.Finish(root)
    return bytes(builder.Output())


def _layer(builder: flatbuffers.Builder, item: dict[str, Any]) -> int:
    name = builder.CreateString(item["name"])
    numerics = table(builder, {0: ("int", item["zero_point"]), 1: ("float", item["scale"])})
    y, x, z = item["shape"]
    return table(
        builder,
        {
            0: ("offset", name),
            1: ("int", y * x * z),
            2: ("int", y),
            3: ("int", x),
            4: ("int", z),
            5: ("offset", numerics),
            6: ("short", item["type"]),
        },
    )


def custom_options(executables: list[bytes], min_runtime_version: int) -> bytes:
    inner = flatbuffers.Builder(1024)
    items = [inner.CreateByteVector(item) for item in executables]
    inner.Finish(table(inner, {0: ("offset", vector(inner, items))}))
    outer = flatbuffers.Builder(1024)
    multi = outer.CreateByteVector(bytes(inner.Output()))
    version = outer.CreateString("cl/")
    fields = {0: ("int", min_runtime_version), 1: ("offset", multi), 4: ("offset", version)}
    outer.Finish(table(outer, fields), b"DWN1")
    options = flexbuffers.Builder()
    with options.Map():
        options.Int("1", 0)
        options.Blob("4", bytes(outer.Output()))
        options.Int("5", -1)
    return bytes(options.Finish())


def caching_token(seed: bytes) -> int:
    return int(struct.unpack("<Q", seed[:8])[0]) or 1
