"""TFRecord files of tf.train.Example, read without TensorFlow."""

from __future__ import annotations

import bisect
import hashlib
import itertools
import os
import struct
from array import array
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path

import numpy as np

from coral_action.config.data_schema import PreprocessConfig
from coral_action.config.source_schema import TfrecordFeature, TfrecordSource
from coral_action.data.arrays import RowNames
from coral_action.data.crc32c import masked_crc32c
from coral_action.data.example import FeatureValue, parse_example
from coral_action.data.files import MAX_FILE_BYTES, FileSet, require_regular
from coral_action.data.images import decode_image
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.data.samples import Array, BadFileError, InputSpec, Reading
from coral_action.errors import DataError

SUFFIXES = frozenset({".tfrecord", ".tfrecords", ".tfrec", ".record"})
_HEADER = 12  # length (uint64, little endian), masked CRC-32C of the length
_FOOTER = 4  # masked CRC-32C of the data


class RecordSource:
    """The records of several files, in the order of file names; read one by one."""

    classes = None  # they are inside the records

    def __init__(
        self,
        files: FileSet,
        config: TfrecordSource,
        preprocess: PreprocessConfig,
        specs: Sequence[InputSpec],
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._config = config
        if self._specs.keys() != config.features.keys():
            raise DataError(
                f"tfrecord.features names {', '.join(config.features)}, but the model's inputs are "
                f"{', '.join(self._specs)}"
            )
        self._images = {
            name: ImagePreprocessor(preprocess, self._specs[name])
            for name, feature in config.features.items()
            if feature.decode == "image"
        }
        self._files: list[RecordFile] = []
        for index, name in enumerate(files.names):
            path = files.rules.resolve(files.location(index))
            require_regular(path, "tfrecord")
            self._files.append(RecordFile(path, name))
        self._starts = list(itertools.accumulate((len(file) for file in self._files), initial=0))
        self.names = _RecordNames(self._files, self._starts)

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        name, content = self.names[index], self._content(index)
        features = parse_example(content, name)
        inputs = {
            spec: self._input(spec, feature, features, name)
            for spec, feature in self._config.features.items()
        }
        label = None if self._config.label is None else _label(self._config.label, features, name)
        return Reading(inputs, label, hashlib.sha256(content).hexdigest())

    def digest(self, index: int) -> str:
        """SHA-256 of the record."""
        return hashlib.sha256(self._content(index)).hexdigest()

    def _content(self, index: int) -> bytes:
        file = bisect.bisect_right(self._starts, index) - 1
        return self._files[file].read(index - self._starts[file])

    def _input(
        self,
        spec_name: str,
        feature: TfrecordFeature,
        features: Mapping[str, FeatureValue],
        name: str,
    ) -> Array:
        key = feature.key or spec_name
        value = _required(key, features, name)
        if feature.decode == "image":
            return self._images[spec_name](decode_image(_one_text(value, key, name), name))
        if feature.decode == "raw":
            content = _one_text(value, key, name)
            dtype = np.dtype(feature.dtype).newbyteorder("<")
            if len(content) % dtype.itemsize:
                raise DataError(f"{name}: {key} holds {len(content)} bytes, no whole {dtype}s")
            value = np.frombuffer(content, dtype)
        if isinstance(value, list):
            raise DataError(
                f"{name}: {key} holds bytes, not numbers",
                hint="say `decode: image` or `decode: raw` for this feature",
            )
        return shaped(value, feature.shape or self._specs[spec_name].shape, f"{name}: {key}")


class RecordFile:
    """Where the records of one TFRecord file lie; lengths are checked by their CRC.

    It is opened for each reading: a set of a thousand files is as many as a process may have open.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        self._name = name
        self._offsets, self._lengths = array("Q"), array("Q")  # of the data, in bytes
        with self._opened() as file:
            end = file.seek(0, os.SEEK_END)
            position = 0
            while position < end:
                length = self._length(file.fileno(), position)
                if position + _HEADER + length + _FOOTER > end:
                    raise DataError(f"{name}: cut short in record {len(self._offsets)}")
                self._offsets.append(position + _HEADER)
                self._lengths.append(length)
                position += _HEADER + length + _FOOTER

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def name(self) -> str:
        """The file's name, printable."""
        return self._name

    def read(self, index: int) -> bytes:
        """One record.

        Raises:
            BadFileError: if its CRC is wrong.
        """
        offset, length = self._offsets[index], self._lengths[index]
        with self._opened() as file:
            content = os.pread(file.fileno(), length + _FOOTER, offset)
        data, stored = content[:length], content[length:]
        if len(stored) != _FOOTER or struct.unpack("<I", stored)[0] != masked_crc32c(data):
            raise BadFileError(
                f"{self._name}[{index}]: damaged: its CRC is wrong", hint="write the file again"
            )
        return data

    def _opened(self) -> FileIO:
        try:
            return FileIO(self._path)
        except OSError as error:
            raise DataError(f"{self._name}: can't be read ({error.strerror})") from error

    def _length(self, descriptor: int, position: int) -> int:
        header = os.pread(descriptor, _HEADER, position)
        if position == 0 and header[:2] == b"\x1f\x8b":
            raise DataError(f"{self._name}: compressed with gzip", hint="unpack it with gunzip")
        if len(header) == _HEADER:
            length, crc = struct.unpack("<QI", header)
            if crc == masked_crc32c(header[:8]) and length <= MAX_FILE_BYTES:
                return int(length)
        where = f" at record {len(self._offsets)}" if position else ""
        raise DataError(
            f"{self._name}: damaged, or no TFRecord file{where} (the CRC of a length is wrong)"
        )


def shaped(value: Array, shape: Sequence[int], what: str) -> Array:
    """Values in the order of rows, as an array of `shape`."""
    wanted = int(np.prod(shape))
    if value.size != wanted:
        raise DataError(f"{what}: {value.size} values, but {list(shape)} takes {wanted}")
    return value.reshape(tuple(shape))


class _RecordNames(RowNames):
    """`a.tfrecord[0]`, ... over several files."""

    def __init__(self, files: Sequence[RecordFile], starts: Sequence[int]) -> None:
        super().__init__("", starts[-1])
        self._files = files
        self._starts = starts

    def _name(self, row: int) -> str:
        file = bisect.bisect_right(self._starts, row) - 1
        return f"{self._files[file].name}[{row - self._starts[file]}]"


def _required(key: str, features: Mapping[str, FeatureValue], name: str) -> FeatureValue:
    if key not in features:
        held = ", ".join(sorted(features)[:20])
        raise DataError(f"{name}: no feature {key}", hint=f"it holds: {held}")
    return features[key]


def _one_text(value: FeatureValue, key: str, name: str) -> bytes:
    if not isinstance(value, list) or len(value) != 1:
        raise DataError(
            f"{name}: {key} holds numbers, not one bytes value"
            if not isinstance(value, list)
            else f"{name}: {key} holds {len(value)} bytes values, not one"
        )
    return value[0]


def _label(key: str, features: Mapping[str, FeatureValue], name: str) -> int:
    value = _required(key, features, name)
    if isinstance(value, list) or value.dtype != np.int64 or value.size != 1 or value[0] < 0:
        raise DataError(f"{name}: {key} is no class number", hint="one int64, from 0")
    return int(value[0])
