"""Samples: named arrays as the model takes them, checked one by one as they are read."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from coral_action.errors import DataError

Array = npt.NDArray[Any]


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


class Source(Protocol):
    """Where samples come from. Reading is lazy: memory does not grow with their number."""

    @property
    def names(self) -> Sequence[str]:
        """What each sample is called, in an order that is the same on every machine."""

    @property
    def labels(self) -> Sequence[int | Array] | None:
        """The class index or target values of each sample, where the source knows them."""

    def read(self, index: int) -> dict[str, Array]:
        """The inputs of one sample, without batch dimension."""


@dataclass(frozen=True)
class Sample:
    """One sample: what it is called, arrays of shape (1, ...) by input name, its class."""

    name: str
    inputs: dict[str, Array]
    label: int | Array | None


class Samples:
    """The chosen samples of a source, conformed to the inputs of a model."""

    def __init__(self, source: Source, specs: Sequence[InputSpec], chosen: Sequence[int]) -> None:
        self._source = source
        self._specs = specs
        self._chosen = chosen

    def shard(self, index: int, count: int) -> Samples:
        """Every `count`-th sample from `index` on: one worker's part of the whole."""
        return Samples(self._source, self._specs, self._chosen[index::count])

    def __len__(self) -> int:
        return len(self._chosen)

    def __iter__(self) -> Iterator[Sample]:
        labels = self._source.labels
        for index in self._chosen:
            name = self._source.names[index]
            values = self._source.read(index)
            inputs = {spec.name: conform(values[spec.name], spec, name) for spec in self._specs}
            yield Sample(name, inputs, None if labels is None else labels[index])


def choose(count: int, limit: int | None, seed: int) -> list[int]:
    """Indices of at most `limit` of `count` samples, in order; the same for a seed everywhere."""
    if limit is None or count <= limit:
        return list(range(count))
    return sorted(random.Random(seed).sample(range(count), limit))  # noqa: S311 - no secret


def conform(value: Array, spec: InputSpec, name: str) -> Array:
    """A sample as the model takes it: shape (1, ...), the input's dtype, only finite values.

    Dimensions of 1 may be missing or too many; nothing else is reshaped.

    Raises:
        DataError: if the shape does not fit, or a value is NaN or infinite.
    """
    if [d for d in value.shape if d != 1] != [d for d in spec.shape if d != 1]:
        raise DataError(
            f"{name}: shape {list(value.shape)}, but input {spec.name} takes "
            f"{list(spec.shape[1:])}",
            hint="samples lie along the first axis of an array, each shaped as the model's input",
        )
    if not np.issubdtype(value.dtype, np.number) and value.dtype != np.bool_:
        raise DataError(f"{name}: {value.dtype} is no number type")
    if np.issubdtype(value.dtype, np.inexact) and not np.isfinite(value).all():
        raise DataError(
            f"{name}: holds NaN or infinite values (input {spec.name})",
            hint="they would ruin the ranges of every tensor: mend or remove this sample",
        )
    return np.ascontiguousarray(value.reshape(spec.shape), dtype=spec.dtype)
