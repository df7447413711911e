"""tf.train.Example messages without TensorFlow (tensorflow/core/example/example.proto)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from coral_action.data.samples import Array, BadFileError

FeatureValue = list[bytes] | Array


def parse_example(content: bytes, name: str) -> dict[str, FeatureValue]:
    """The features of one Example: a list of bytes, or an array of float32 or int64.

    Raises:
        BadFileError: if it is no Example.
    """
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    message = _message_class()()
    try:
        message.ParseFromString(content)
    except DecodeError as error:
        raise BadFileError(
            f"{name}: no tf.train.Example",
            hint="records of another kind: convert them to npz, or use `python:`",
        ) from error
    return {key: _value(feature) for key, feature in message.features.feature.items()}


def _value(feature: Any) -> FeatureValue:
    kind = feature.WhichOneof("kind")
    if kind == "bytes_list":
        return list(feature.bytes_list.value)
    if kind == "float_list":
        return np.array(feature.float_list.value, np.float32)
    return np.array(feature.int64_list.value, np.int64)


@functools.cache
def _message_class() -> Any:
    """The class of Example, from a description of the same wire format in a pool of its own."""
    from google.protobuf import (  # type: ignore[import-untyped]
        descriptor_pb2,
        descriptor_pool,
        message_factory,
    )

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="coral_example.proto", package="coral", syntax="proto3"
    )

    def add(parent: Any, name: str) -> Any:
        return parent.add(name=name)

    def put(message: Any, name: str, number: int, kind: Any, of: str = "", **more: Any) -> None:
        label = more.pop("label", field.LABEL_OPTIONAL)
        message.field.add(name=name, number=number, type=kind, type_name=of, label=label, **more)

    for name, kind in (
        ("BytesList", field.TYPE_BYTES),
        ("FloatList", field.TYPE_FLOAT),
        ("Int64List", field.TYPE_INT64),
    ):
        put(add(file.message_type, name), "value", 1, kind, label=field.LABEL_REPEATED)
    feature = add(file.message_type, "Feature")
    feature.oneof_decl.add(name="kind")
    for number, name in enumerate(("bytes_list", "float_list", "int64_list"), 1):
        of = "." + "coral." + "".join(part.title() for part in name.split("_"))
        put(feature, name, number, field.TYPE_MESSAGE, of, oneof_index=0)
    features = add(file.message_type, "Features")
    entry = add(features.nested_type, "FeatureEntry")
    entry.options.map_entry = True
    put(entry, "key", 1, field.TYPE_STRING)
    put(entry, "value", 2, field.TYPE_MESSAGE, ".coral.Feature")
    put(
        features,
        "feature",
        1,
        field.TYPE_MESSAGE,
        ".coral.Features.FeatureEntry",
        label=field.LABEL_REPEATED,
    )
    example = add(file.message_type, "Example")
    put(example, "features", 1, field.TYPE_MESSAGE, ".coral.Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("coral.Example"))
