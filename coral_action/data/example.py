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
    one, many = field.LABEL_OPTIONAL, field.LABEL_REPEATED
    file = descriptor_pb2.FileDescriptorProto(
        name="coral_example.proto", package="coral", syntax="proto3"
    )

    def put(message: Any, name: str, number: int, label: Any, kind: Any, **more: Any) -> None:
        """A field of a plain kind, or (kind is a name) of a message."""
        if isinstance(kind, str):
            more["type_name"], kind = f".coral.{kind}", field.TYPE_MESSAGE
        message.field.add(name=name, number=number, label=label, type=kind, **more)

    feature = file.message_type.add(name="Feature")
    feature.oneof_decl.add(name="kind")
    for number, (name, member, kind) in enumerate(
        (
            ("BytesList", "bytes_list", field.TYPE_BYTES),
            ("FloatList", "float_list", field.TYPE_FLOAT),
            ("Int64List", "int64_list", field.TYPE_INT64),
        ),
        start=1,
    ):
        put(file.message_type.add(name=name), "value", 1, many, kind)
        put(feature, member, number, one, name, oneof_index=0)
    features = file.message_type.add(name="Features")
    entry = features.nested_type.add(name="FeatureEntry")  # what map<string, Feature> stands for
    entry.options.map_entry = True
    put(entry, "key", 1, one, field.TYPE_STRING)
    put(entry, "value", 2, one, "Feature")
    put(features, "feature", 1, many, "Features.FeatureEntry")
    put(file.message_type.add(name="Example"), "features", 1, one, "Features")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("coral.Example"))
