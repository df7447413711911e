"""Samples: named arrays as the model takes them, checked one by one as they are read."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from coral_action.counts import plural
from coral_action.data.prefetch import read_ahead, read_in_bursts
from coral_action.errors import DataError
from coral_action.workers import core_count

Array = npt.NDArray[Any]
Label = int | Array | None

# Samples decoded ahead of the one in use: enough for long bursts, few enough to be flat.
_READ_AHEAD = 24
_READ_AHEAD_BYTES = 16 * 2**20


class InputSpec(Protocol):
    """What a model says of an input; `loading.TensorSpec` is one."""

    @property
    def name(self) -> str:
        """The input's name."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, with the batch dimension of 1."""

    @property
    def dtype(self) -> str:
        """Its numpy dtype."""


class BadFileError(DataError):
    """One file can't be used; `max_bad_files` of them are tolerated."""


@dataclass(frozen=True)
class Reading:
    """What a source holds for one sample: arrays without batch dimension, label, SHA-256."""

    inputs: Mapping[str, Array]
    label: Label
    digest: str


class Source(Protocol):
    """Where samples come from. Reading is lazy: memory does not grow with their number."""

    @property
    def names(self) -> Sequence[str]:
        """What each sample is called, in an order that is the same on every machine."""

    @property
    def classes(self) -> Sequence[int] | None:
        """The class of each sample, where it is known without reading; to draw by class."""

    def read(self, index: int) -> Reading:
        """One sample.

        Raises:
            BadFileError: if its file can't be decoded.
            DataError: if it can't be used for another reason.
        """

    def digest(self, index: int) -> str:
        """SHA-256 of the sample's file, or of its arrays where one file holds many samples."""


@dataclass(frozen=True)
class InputProfile:
    """What coral.yml says of the values that one input is fed."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    from_images: bool = False
    scaling_declared: bool = False  # a preset, scale, mean, std or expect is there
    expected: tuple[float, float] | None = None
    expected_by: str = ""  # the key that says so
    color: str = ""  # of decoded images: gray, rgb or bgr


@dataclass(frozen=True)
class Profile:
    """What is known of a set of samples before one is read; plain data."""

    section: str  # calibration or evaluation
    inputs: tuple[InputProfile, ...]
    max_bad_files: int = 0


@dataclass(frozen=True)
class Sample:
    """One sample.

    Attributes:
        name: what it is called, printable.
        inputs: arrays of shape (1, ...) by input name.
        label: the class number; or, for segmentation, an integer array of shape (height, width)
            of the model's input size with the class of each pixel, 255 where there is none; or
            a float array of target values; or None where the data are not labelled.
        digest: SHA-256 as in `Source.digest`.
        position: its place among all chosen samples, the same in whichever shard it is read; bad
            files leave gaps.
        extents: smallest and largest value of each input.
    """

    name: str
    inputs: dict[str, Array]
    label: Label
    digest: str = ""
    position: int = 0
    extents: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class BadFile:
    """A file that was left out, and why."""

    name: str
    reason: str


@dataclass
class Samples:
    """The chosen samples of a source, conformed to the inputs of a model.

    Iterating decodes a few samples ahead. `bad_files` then names the files that were left out.
    """

    source: Source
    specs: Sequence[InputSpec]
    chosen: Sequence[int]
    profile: Profile
    first: int = 0  # position of the first one, and how far apart they are, in the whole
    step: int = 1
    beside: bool = True  # whether there is a core to decode on beside the one that iterates
    bad_files: list[BadFile] = field(default_factory=list)

    def shard(self, index: int, count: int) -> Samples:
        """Every `count`-th sample from `index` on: one worker's part of the whole.

        Each part tolerates `max_bad_files` for itself; `SampleStatistics.refuse_bad_files` holds
        the merged parts to it.
        """
        return Samples(
            self.source,
            self.specs,
            self.chosen[index::count],
            self.profile,
            self.first + index * self.step,
            self.step * count,
        )

    def for_worker(self, index: int, count: int) -> Samples:
        """The shard of one of `count` workers that run at the same time."""
        return replace(self.shard(index, count), beside=count < core_count())

    @property
    def ahead(self) -> int:
        """How many samples are decoded at a time: a few, of large ones fewer."""
        return at_once(self.specs)

    def manifest(self) -> dict[str, Any]:
        """The chosen samples by name and content, as `manifest`; reads files, decodes nothing."""
        return manifest([(self.source.names[i], self.source.digest(i)) for i in self.chosen])

    def __len__(self) -> int:
        return len(self.chosen)

    def __iter__(self) -> Iterator[Sample]:
        self.bad_files = []
        reader = read_ahead if self.beside else read_in_bursts
        for item in reader(self._read, range(len(self.chosen)), self.ahead):
            if isinstance(item, Sample):
                yield item
                continue
            name, error = item
            self.bad_files.append(BadFile(name, error.message))
            if len(self.bad_files) > self.profile.max_bad_files:
                raise self._too_many(error)
        # A part may have nothing but bad files where the whole has good ones, too.
        whole = self.step == 1
        if whole and self.bad_files and len(self.bad_files) == len(self.chosen):
            raise nothing_decoded(self.profile, self.bad_files)

    def _read(self, number: int) -> Sample | tuple[str, BadFileError]:
        index = self.chosen[number]
        name = self.source.names[index]
        try:
            reading = self.source.read(index)
            inputs = {s.name: shaped(reading.inputs[s.name], s, name) for s in self.specs}
            extents = {key: extent(value, key, name) for key, value in inputs.items()}
        except BadFileError as error:
            return name, error
        except DataError as error:
            raise self._in_section(error) from error
        position = self.first + number * self.step
        return Sample(name, inputs, reading.label, reading.digest, position, extents)

    def _too_many(self, error: BadFileError) -> DataError:
        if not self.profile.max_bad_files:
            return self._in_section(error)
        return refused_bad_files(self.profile, self.bad_files)

    def _in_section(self, error: DataError) -> DataError:
        return DataError(f"{self.profile.section}: {error.message}", hint=error.hint)


def at_once(specs: Sequence[InputSpec]) -> int:
    """How many samples of these arrays are held at a time: a few, of large ones fewer."""
    # numpy has no type for some tensors ("")
    kinds = [np.dtype(spec.dtype or "float64") for spec in specs]
    size = sum(math.prod(s.shape) * kind.itemsize for s, kind in zip(specs, kinds, strict=True))
    return min(max(_READ_AHEAD_BYTES // max(size, 1), 1), _READ_AHEAD)


def refused_bad_files(profile: Profile, bad_files: Sequence[BadFile]) -> DataError:
    """The error for more bad files than `max_bad_files`, with the first few of them."""
    shown = "; ".join(bad.reason for bad in bad_files[:5])
    more = f"; and {len(bad_files) - 5} more" if len(bad_files) > 5 else ""
    return DataError(
        f"{profile.section}: {plural(len(bad_files), 'file')} can't be decoded, but "
        f"max_bad_files is {profile.max_bad_files}: {shown}{more}",
        hint="mend or remove them, or raise max_bad_files",
        topic="files-not-decoded",
    )


def nothing_decoded(profile: Profile, bad_files: Sequence[BadFile]) -> DataError:
    """The error for a set without a single good file."""
    count = len(bad_files)
    which = "its only file" if count == 1 else f"none of {count:,} files can be decoded; the first"
    return DataError(f"{profile.section}: {which} is {bad_files[0].reason}")


def manifest(files: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """`{"count", "sha256", "files"}` of samples given as (name, SHA-256 of the content).

    `files` holds the names in sorted order; `sha256` is taken over one line for each in the same
    order, `<content SHA-256>  <name>` and a line feed, as `sha256sum` prints them.
    """
    listed = sorted(files)
    lines = "".join(f"{digest}  {name}\n" for name, digest in listed)
    return {
        "count": len(listed),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
        "files": [name for name, _ in listed],
    }


def digest_of(arrays: Mapping[str, Array]) -> str:
    """SHA-256 of arrays: names, dtypes, shapes and contents in C order, sorted by name."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        state.update(array.data)
    return state.hexdigest()


def conform(value: Array, spec: InputSpec, name: str) -> Array:
    """A sample as the model takes it: shape (1, ...), the input's dtype, only finite values.

    Raises:
        DataError: if the shape does not fit, or a value is NaN or infinite.
    """
    result = shaped(value, spec, name)
    extent(result, spec.name, name)
    return result


def shaped(value: Array, spec: InputSpec, name: str) -> Array:
    """A sample in the shape and dtype of an input.

    Dimensions of 1 may be missing or too many; nothing else is reshaped.

    Raises:
        DataError: if the shape does not fit, these are no numbers, or integers can't hold them.
    """
    if [d for d in value.shape if d != 1] != [d for d in spec.shape if d != 1]:
        raise DataError(
            f"{name}: shape {list(value.shape)}, but input {spec.name} takes "
            f"{list(spec.shape[1:])}",
            hint="samples lie along the first axis of an array, each shaped as the model's input",
            topic="sample-shape",
        )
    if not np.issubdtype(value.dtype, np.number) and value.dtype != np.bool_:
        raise DataError(f"{name}: {value.dtype} is no number type")
    with np.errstate(invalid="ignore"):  # said below
        found = np.ascontiguousarray(value.reshape(spec.shape), dtype=spec.dtype)
    if found.dtype.kind in "iu" and found.dtype != value.dtype:
        _require_kept(found, value, spec, name)
    return found


def _require_kept(found: Array, value: Array, spec: InputSpec, name: str) -> None:
    """Refuse values that an integer input would cut to whole numbers, or wrap round."""
    low, high = extent(value, spec.name, name)
    if not np.array_equal(found.ravel(), value.ravel()):
        raise DataError(
            f"{name}: values from {low:.4g} to {high:.4g} are not all {spec.dtype}, which input "
            f"{spec.name} takes",
            hint="an integer input takes whole numbers in its range, and images as pixels from "
            "0 to 255: leave out the scaling that is meant for float inputs",
        )


def extent(value: Array, input_name: str, name: str) -> tuple[float, float]:
    """The smallest and largest value of a sample.

    Raises:
        DataError: if one is NaN or infinite; minimum and maximum hand either on.
    """
    low, high = float(value.min()), float(value.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        raise DataError(
            f"{name}: holds NaN or infinite values (input {input_name})",
            hint="they would ruin the ranges of every tensor: mend or remove this sample",
            topic="nan-in-samples",
        )
    return low, high
