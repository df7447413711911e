"""What is kept of every sample: a few numbers, so that memory stays flat; merged over workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.inference import Array

# Columns of `errors`, one row for each output: sums of squares, cosine, largest difference.
SIGNAL, NOISE, COSINE, LARGEST = range(4)
# Columns of `choices`: class and its score by each model, and how far int8 moved from float's.
FLOAT_CHOICE, INT8_CHOICE, FLOAT_SCORE, INT8_SCORE, LOSS = range(5)
# Columns of `checks`: whether results are the same, cosine, largest difference.
SAME, CHECK_COSINE, CHECK_LARGEST = range(3)


@dataclass
class Columns:
    """One entry a sample in every list.

    Attributes:
        positions: places among all samples of the set, as `Sample.position`.
        names: what samples are called.
        labels: class numbers; -1 where the label is no class.
        values: rows by key, such as `errors`, `choices`, or a metric's rows for a model.
        ragged: keys of `values` whose rows have different lengths.
    """

    positions: list[int] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    values: dict[str, list[Array]] = field(default_factory=dict)
    ragged: set[str] = field(default_factory=set)

    def add(self, position: int, name: str, label: int, rows: dict[str, Array]) -> None:
        """One more sample; the keys of all samples are the same."""
        self.positions.append(position)
        self.names.append(name)
        self.labels.append(label)
        for key, row in rows.items():
            self.values.setdefault(key, []).append(row)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def stacked(self, key: str) -> Any:
        """Rows as one array (samples, ...), or as a list of arrays where they are ragged."""
        return self.values[key] if key in self.ragged else np.stack(self.values[key])

    def arrays(self) -> dict[str, Array]:
        """All of it as named arrays without objects, which `from_arrays` takes back."""
        arrays: dict[str, Array] = {
            "positions": np.asarray(self.positions, dtype=np.int64),
            "names": np.asarray(self.names, dtype=np.str_),
            "labels": np.asarray(self.labels, dtype=np.int64),
        }
        for key, rows in self.values.items():
            if key in self.ragged:
                arrays[f"flat:{key}"] = np.concatenate(rows)
                arrays[f"lengths:{key}"] = np.asarray([len(row) for row in rows], dtype=np.int64)
            else:
                arrays[f"rows:{key}"] = np.stack(rows)
        return arrays

    @classmethod
    def from_arrays(cls, held: Mapping[str, Array]) -> Columns:
        """The inverse of `arrays`.

        Raises:
            KeyError, ValueError: if they are not what `arrays` gives.
        """
        count = len(held["names"])
        columns = cls(
            [int(position) for position in held["positions"]],
            [str(name) for name in held["names"]],
            [int(label) for label in held["labels"]],
        )
        for entry, array in held.items():
            kind, _, key = entry.partition(":")
            if kind == "rows":
                columns.values[key] = list(array)
            elif kind == "flat":
                columns.ragged.add(key)
                ends = np.cumsum(held[f"lengths:{key}"])
                columns.values[key] = np.split(array, ends[:-1]) if len(ends) else []
        lengths = {len(columns.positions), len(columns.labels), *map(len, columns.values.values())}
        if lengths - {count}:
            raise ValueError("columns of different lengths")
        return columns

    def save(self, path: Path) -> None:
        """Write an .npz that `load` reads."""
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **self.arrays())

    @classmethod
    def load(cls, path: Path) -> Columns:
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as held:
            return cls.from_arrays({name: held[name] for name in held.files})


def merge(shards: Sequence[Columns]) -> Columns:
    """The columns of all parts in the order of the samples, however they were shared out.

    Raises:
        ValueError: if a sample is in two of them.
    """
    places = sorted(
        (position, index, place)
        for index, shard in enumerate(shards)
        for place, position in enumerate(shard.positions)
    )
    if len({position for position, *_ in places}) != len(places):
        raise ValueError("a sample is there twice")
    merged = Columns(ragged=set().union(*(shard.ragged for shard in shards)))
    for position, index, place in places:
        shard = shards[index]
        rows = {key: values[place] for key, values in shard.values.items()}
        merged.add(position, shard.names[place], shard.labels[place], rows)
    return merged
