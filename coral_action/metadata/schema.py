"""The metadata flatbuffer: `ModelMetadata` of the published metadata_schema.fbs, version 1.1.0.

Field numbers and enum values are those of tensorflow/tflite-support,
tensorflow_lite_support/metadata/metadata_schema.fbs; the package that holds its generated code is
not published for current Pythons.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

IDENTIFIER = b"M001"
LABELS_FILE = "labels.txt"
# Nothing is written that came after the first version of the schema.
_PARSER_VERSION = "1.0.0"

_COLOR_SPACES = {"rgb": 1, "gray": 2}  # ColorSpaceType; it knows no bgr: 0, unknown
_LABEL_TYPES = {"axis": 2, "values": 3}  # AssociatedFileType TENSOR_AXIS_LABELS, .._VALUE_LABELS
_FEATURE, _IMAGE, _BOXES = 1, 2, 3  # ContentProperties
_NORMALIZATION = 1  # ProcessUnitOptions
_BOUNDARIES = 1  # BoundingBoxType
# Of {left, top, right, bottom}, where TFLite_Detection_PostProcess has ymin, xmin, ymax, xmax.
_BOX_ORDER = (1, 0, 3, 2)


@dataclass(frozen=True)
class ImageInput:
    """What an image is made into: (x - mean) / std of pixels from 0 to 255, by channel.

    `color` is rgb, bgr or gray; mean and std have one value, or one for each channel.
    """

    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class TensorDescription:
    """One input or output.

    `labels` says that the label file names the positions along the last axis, or the values.
    `each_of` marks what holds one entry for each of several detections, along the axis 1.
    """

    name: str
    image: ImageInput | None = None
    labels: Literal["axis", "values"] | None = None
    boxes: bool = False
    each_of: bool = False


@dataclass(frozen=True)
class ModelDescription:
    """All that goes into a model file; inputs and outputs are in the order of the file."""

    name: str
    inputs: tuple[TensorDescription, ...]
    outputs: tuple[TensorDescription, ...]
    labels: tuple[str, ...] = ()


def encode(model: ModelDescription) -> bytes:
    """The `ModelMetadata` flatbuffer."""
    import flatbuffers

    writer = _Writer(flatbuffers.Builder(1024))
    inputs = writer.vector([writer.tensor(tensor) for tensor in model.inputs])
    outputs = writer.vector([writer.tensor(tensor) for tensor in model.outputs])
    subgraph = writer.table({2: inputs, 3: outputs})
    root = writer.table(
        {
            0: writer.text(model.name),
            3: writer.vector([subgraph]),
            7: writer.text(_PARSER_VERSION),
        }
    )
    writer.builder.Finish(root, IDENTIFIER)
    return bytes(writer.builder.Output())


@dataclass(frozen=True)
class _Byte:
    value: int


class _Writer:
    """Tables by field number: an int is the offset of something written before, a _Byte itself."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def tensor(self, tensor: TensorDescription) -> int:
        """TensorMetadata."""
        fields: dict[int, int | _Byte] = {0: self.text(tensor.name), 3: self._content(tensor)}
        if tensor.image is not None:
            fields[4] = self.vector([self._normalization(tensor.image)])
            fields[5] = self._stats(tensor.image)
        if tensor.labels is not None:
            kind = _Byte(_LABEL_TYPES[tensor.labels])
            fields[6] = self.vector([self.table({0: self.text(LABELS_FILE), 2: kind})])
        return self.table(fields)

    def table(self, fields: dict[int, int | _Byte]) -> int:
        """A table."""
        self.builder.StartObject(max(fields, default=-1) + 1)
        for number, value in fields.items():
            if isinstance(value, _Byte):
                self.builder.PrependInt8Slot(number, value.value, 0)
            else:
                self.builder.PrependUOffsetTRelativeSlot(number, value, 0)
        return int(self.builder.EndObject())

    def text(self, value: str) -> int:
        """A string."""
        return int(self.builder.CreateString(value))

    def vector(self, offsets: Sequence[int]) -> int:
        """A vector of tables."""
        self.builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            self.builder.PrependUOffsetTRelative(offset)
        return int(self.builder.EndVector())

    def _content(self, tensor: TensorDescription) -> int:
        kind, properties = _FEATURE, self.table({})
        if tensor.image is not None:
            color = _Byte(_COLOR_SPACES.get(tensor.image.color, 0))
            kind, properties = _IMAGE, self.table({0: color})
        elif tensor.boxes:
            order = self.builder.CreateNumpyVector(np.array(_BOX_ORDER, dtype=np.uint32))
            kind, properties = _BOXES, self.table({0: int(order), 1: _Byte(_BOUNDARIES)})
        fields: dict[int, int | _Byte] = {0: _Byte(kind), 1: properties}
        if tensor.each_of:
            fields[2] = self._range(2, 2)
        return self.table(fields)

    def _range(self, low: int, high: int) -> int:
        """ValueRange."""
        self.builder.StartObject(2)
        self.builder.PrependInt32Slot(0, low, 0)
        self.builder.PrependInt32Slot(1, high, 0)
        return int(self.builder.EndObject())

    def _normalization(self, image: ImageInput) -> int:
        options = self.table({0: self._floats(image.mean), 1: self._floats(image.std)})
        return self.table({0: _Byte(_NORMALIZATION), 1: options})

    def _stats(self, image: ImageInput) -> int:
        """Stats: what the darkest and the brightest pixel become."""
        pairs = list(zip(image.mean, image.std, strict=True))
        low, high = (
            self._floats([(pixel - mean) / std for mean, std in pairs]) for pixel in (0, 255)
        )
        return self.table({0: high, 1: low})

    def _floats(self, values: Sequence[float]) -> int:
        return int(self.builder.CreateNumpyVector(np.array(values, dtype=np.float32)))
