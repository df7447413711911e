"""What was seen of the float model, and how it crosses from a worker to whoever needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.quantization.observation.histogram import Histograms

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Observed:
    """The float activations of a model over N samples, in the order of the samples.

    Attributes:
        tensors: index of each of the T watched tensors.
        low: (N, T) float32, smallest value of each tensor in each sample.
        high: (N, T) float32, largest value.
        histograms: of the T tensors, over a part of their values; None if nobody asked for them.
        outputs: float outputs by name, (N, *shape) float32, whole: not all outputs have a batch
            dimension, and a scalar has none at all.
        names: what each sample is called.
        positions: the place of each sample in the whole set, ascending; files that were left out
            leave gaps.
    """

    tensors: tuple[int, ...]
    low: Floats
    high: Floats
    histograms: Histograms | None
    outputs: dict[str, Floats]
    names: tuple[str, ...]
    positions: tuple[int, ...]

    @property
    def samples(self) -> int:
        """How many samples were seen."""
        return len(self.names)

    def extremes(self) -> list[tuple[float, float]]:
        """The smallest and the largest value of each tensor over all samples."""
        low, high = self.low.min(axis=0).tolist(), self.high.max(axis=0).tolist()
        return list(zip(low, high, strict=True))

    def save(self, path: Path) -> None:
        """Write an .npz that `load` reads."""
        arrays: dict[str, npt.NDArray[Any]] = {
            f"output:{name}": value for name, value in self.outputs.items()
        }
        if self.histograms is not None:
            arrays["exponents"] = self.histograms.exponents
            arrays["counts"] = self.histograms.counts
        np.savez(
            path,
            allow_pickle=False,
            tensors=np.asarray(self.tensors, dtype=np.int64),
            low=self.low,
            high=self.high,
            names=np.asarray(self.names, dtype=np.str_),
            positions=np.asarray(self.positions, dtype=np.int64),
            **arrays,
        )

    @classmethod
    def load(cls, path: Path) -> Observed:
        """The inverse of `save`."""
        with np.load(path, allow_pickle=False) as held:
            histograms = (
                Histograms(held["exponents"], held["counts"]) if "counts" in held.files else None
            )
            return cls(
                tuple(int(i) for i in held["tensors"]),
                held["low"],
                held["high"],
                histograms,
                {
                    key.removeprefix("output:"): held[key]
                    for key in held.files
                    if key.startswith("output:")
                },
                tuple(str(name) for name in held["names"]),
                tuple(int(position) for position in held["positions"]),
            )

    def rows(self, positions: Sequence[int]) -> list[int]:
        """The rows of `low`, `high` and `outputs` that belong to samples, by their positions."""
        row = {position: index for index, position in enumerate(self.positions)}
        return [row[position] for position in positions]


def merge(parts: Sequence[Observed]) -> Observed:
    """The whole from its parts, in the order of the samples."""
    first = parts[0]
    if len(parts) == 1:
        return first
    histograms = first.histograms
    if histograms is not None:
        histograms = Histograms(histograms.exponents.copy(), histograms.counts.copy())
        for part in parts[1:]:
            if part.histograms is not None:
                histograms.merge(part.histograms)
    positions = [position for part in parts for position in part.positions]
    order = sorted(range(len(positions)), key=positions.__getitem__)
    names = [name for part in parts for name in part.names]

    def joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        whole: npt.NDArray[Any] = np.concatenate(arrays)[order]
        return whole

    return Observed(
        first.tensors,
        joined([part.low for part in parts]),
        joined([part.high for part in parts]),
        histograms,
        {name: joined([part.outputs[name] for part in parts]) for name in first.outputs},
        tuple(names[index] for index in order),
        tuple(positions[index] for index in order),
    )
