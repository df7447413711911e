"""One .npz: an array for each model input (or `x`), labels as `y`, fed as they are."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from coral_action.data.samples import Array, InputSpec
from coral_action.errors import DataError


class NpzSource:
    """Samples of a .npz; pickles are refused."""

    def __init__(self, path: Path, specs: Sequence[InputSpec], *, labelled: bool) -> None:
        try:
            with np.load(path, allow_pickle=False) as archive:
                held = list(archive.files)
                keys = {spec.name: _key(path, spec.name, held, len(specs)) for spec in specs}
                self._arrays = {name: archive[key] for name, key in keys.items()}
                self.labels = _labels(path, archive) if labelled else None
        except FileNotFoundError as error:
            raise DataError(f"{path}: no such file") from error
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
            raise DataError(
                f"{path}: no .npz that can be read ({str(error).splitlines()[0]})",
                hint="save it with numpy.savez; arrays of Python objects are not loaded",
            ) from error
        lengths = {len(a) if a.ndim else 0 for a in self._arrays.values()}
        if self.labels is not None:
            lengths.add(len(self.labels))
        if len(lengths) != 1:
            raise DataError(f"{path}: its arrays hold different numbers of samples")
        self.names = [f"{path.name}[{i}]" for i in range(lengths.pop())]

    def read(self, index: int) -> dict[str, Array]:
        """One sample, as `Source.read`."""
        return {name: np.asarray(array[index]) for name, array in self._arrays.items()}


def _key(path: Path, name: str, held: list[str], inputs: int) -> str:
    if name in held:
        return name
    if inputs == 1 and "x" in held:
        return "x"
    raise DataError(
        f"{path}: no array for the input {name}",
        hint=f"it holds: {', '.join(held)}; name an array as the input"
        + (", or x" if inputs == 1 else ""),
    )


def _labels(path: Path, archive: np.lib.npyio.NpzFile) -> Sequence[int | Array] | None:
    """Class numbers, or target values where `y` holds more than one number a sample, or floats."""
    if "y" not in archive.files:
        return None
    labels = archive["y"]
    if labels.ndim == 0 or not np.issubdtype(labels.dtype, np.number):
        raise DataError(f"{path}: y is {labels.dtype} of shape {list(labels.shape)}, no labels")
    if labels.ndim == 1 and (labels == np.rint(labels)).all() and not (labels < 0).any():
        return [int(label) for label in labels]
    return list(labels)
