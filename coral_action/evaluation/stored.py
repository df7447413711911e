"""Outputs of the reference model that were computed before, found again by the sample's name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from coral_action.evaluation.metrics.kind import Array, Outputs
from coral_action.inference import Array as AnyArray

_NAMES = "names.json"


class StoredOutputs:
    """Outputs by sample, from a folder that `OutputWriter` wrote, or an .npz.

    An .npz holds `names` and, for each output, an array `output:NAME` of shape (samples, *shape),
    with the batch dimension of 1 where the output has one.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            names, outputs = json.loads((path / _NAMES).read_text(encoding="utf-8"))
            self._arrays = {
                output: np.load(path / f"{i}.npy", mmap_mode="r", allow_pickle=False)
                for i, output in enumerate(outputs)
            }
        else:
            with np.load(path, allow_pickle=False) as held:
                names = [str(name) for name in held["names"]]
                self._arrays = {
                    key.removeprefix("output:"): held[key]
                    for key in held.files
                    if key.startswith("output:")
                }
        # The name of two samples tells neither.
        self._places = {n: i for i, n in enumerate(names)} if len(set(names)) == len(names) else {}

    def get(self, name: str) -> Outputs | None:
        """The outputs of a sample, in the shapes that the model has; None if there are none."""
        place = self._places.get(name)
        if place is None:
            return None
        return {output: np.asarray(array[place]) for output, array in self._arrays.items()}


class OutputWriter:
    """Writes outputs sample by sample, with flat memory; the folder reads as `StoredOutputs`."""

    def __init__(self, folder: Path, shapes: Mapping[str, Sequence[int]], samples: int) -> None:
        """Make the folder's files.

        Args:
            folder: must exist.
            shapes: shape of each output, with the batch dimension of 1 where there is one.
            samples: how many there will be at most.
        """
        self._folder = folder
        self._names: list[str] = []
        self._arrays: dict[str, AnyArray] = {
            name: np.lib.format.open_memmap(
                folder / f"{i}.npy", mode="w+", dtype=np.float32, shape=(samples, *shape)
            )
            for i, (name, shape) in enumerate(shapes.items())
        }

    def add(self, name: str, outputs: Mapping[str, Array]) -> None:
        """One more sample."""
        for output, array in self._arrays.items():
            array[len(self._names)] = outputs[output]
        self._names.append(name)

    def close(self) -> None:
        """Write the names; nothing can be added any more."""
        content = json.dumps([self._names, list(self._arrays)])
        (self._folder / _NAMES).write_text(content, encoding="utf-8")
        self._arrays.clear()
