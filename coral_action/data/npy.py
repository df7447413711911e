"""One .npy array: samples along the first axis, fed to a model with one input as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coral_action.data.samples import Array, InputSpec
from coral_action.errors import DataError


class NpySource:
    """Samples of a .npy, mapped into memory and read one by one; pickles are refused."""

    labels = None

    def __init__(self, path: Path, specs: Sequence[InputSpec]) -> None:
        if len(specs) != 1:
            raise DataError(
                f"{path.name}: one array, but the model has {len(specs)} inputs",
                hint=f"use npz with the arrays {', '.join(spec.name for spec in specs)}",
            )
        self._input = specs[0].name
        self._array = read_npy(path)
        self.names = [f"{path.name}[{i}]" for i in range(len(self._array))]

    def read(self, index: int) -> dict[str, Array]:
        """One sample, as `Source.read`."""
        return {self._input: np.asarray(self._array[index])}


def read_npy(path: Path) -> Array:
    """The array of a .npy, mapped into memory.

    Raises:
        DataError: if it can't be read, is no .npy, holds pickled objects or a single value.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise DataError(f"{path}: no such file") from error
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"{path}: no .npy array that can be read ({str(error).splitlines()[0]})",
            hint="save it with numpy.save; arrays of Python objects are not loaded",
        ) from error
    if not isinstance(array, np.ndarray) or array.ndim == 0:
        raise DataError(f"{path}: holds no samples", hint="samples lie along the first axis")
    return array
