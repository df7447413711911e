"""Samples from the user's own Python function; runs only where custom code is allowed."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import traceback
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from coral_action.data.arrays import RowNames
from coral_action.data.files import printable, require_regular
from coral_action.data.samples import Array, InputSpec, Label, Reading, conform, digest_of
from coral_action.errors import DataError, UsageError

LABEL_KEY = "label"
MAX_SPILLED_BYTES = 6 << 30


class PythonSource:
    """What a function yields, spilled to a temporary file: memory stays flat, order is free.

    The function takes nothing and yields (or returns a sequence of) dicts: an array for each input
    by name, shaped as the model takes it, and `label` where samples are labelled: a class number, a
    mask, or the values of a regression. It must yield
    the same each time: every worker runs it.
    """

    classes = None

    def __init__(
        self,
        path: Path,
        function: str,
        specs: Sequence[InputSpec],
        *,
        limit: int | None,
        labelled: bool,
        allowed: bool,
    ) -> None:
        """Run the function, for `limit` samples at most.

        Raises:
            UsageError: if custom code is not allowed.
            DataError: if the function can't be found, fails, or yields what does not fit.
        """
        self._where = f"{printable(path.name)}:{function}"
        if not allowed:
            raise UsageError(
                f"`python: {self._where}` runs code from the repository, which is not allowed here",
                hint="allow it with --allow-custom-code, or the action's input allow-custom-code, "
                "where every author of the repository is trusted",
                topic="custom-code",
            )
        require_regular(path, "python")
        self._specs = specs
        self._labelled = labelled
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed with this object
        weakref.finalize(self, self._file.close)
        self._labels: list[Label] = []
        self._row_bytes = sum(
            int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize for spec in specs
        )
        count = 0
        for item in self._items(path, function):
            if count == limit:
                break
            self._spill(item, f"{self._where}[{count}]")
            count += 1
        self.names = RowNames(self._where, count)

    def read(self, index: int) -> Reading:
        """One sample, as `Source.read`."""
        content = os.pread(self._file.fileno(), self._row_bytes, index * self._row_bytes)
        inputs: dict[str, Array] = {}
        for spec in self._specs:
            size = int(np.prod(spec.shape)) * np.dtype(spec.dtype).itemsize
            inputs[spec.name] = np.frombuffer(content[:size], spec.dtype).reshape(spec.shape)
            content = content[size:]
        return Reading(inputs, self._labels[index], digest_of(inputs))

    def digest(self, index: int) -> str:
        """SHA-256 of the arrays."""
        return self.read(index).digest

    def _items(self, path: Path, function: str) -> Iterator[Any]:
        try:
            found = getattr(_load(path), function, None)
            if not callable(found):
                raise DataError(f"{printable(path.name)}: no function {function} in it")
            yield from found()
        except DataError:
            raise
        except Exception as error:  # the user's code may raise anything
            line = next(
                (
                    frame.lineno
                    for frame in reversed(traceback.extract_tb(error.__traceback__))
                    if frame.filename == str(path)
                ),
                None,
            )
            place = printable(path.name) + (f":{line}" if line else "")
            text = (str(error).splitlines() or [""])[0]
            raise DataError(
                f"{place}: {function} failed: {type(error).__name__}: {text}",
                hint="run the function by itself to see the whole traceback",
                details=traceback.format_exc(),
            ) from error

    def _spill(self, item: Any, name: str) -> None:
        if not isinstance(item, Mapping):
            raise DataError(
                f"{name}: a {type(item).__name__}, not a dict", hint="yield {input name: array}"
            )
        for spec in self._specs:
            if spec.name not in item:
                raise DataError(
                    f"{name}: nothing for the input {spec.name}",
                    hint=f"it holds {', '.join(map(str, item))}",
                )
            value = conform(np.asarray(item[spec.name]), spec, name)
            self._file.write(value.tobytes())
        if self._file.tell() > MAX_SPILLED_BYTES:
            raise DataError(
                f"{self._where}: more than {MAX_SPILLED_BYTES:,} bytes of samples",
                hint="set `samples`, or yield fewer",
            )
        self._labels.append(self._label(item, name))

    def _label(self, item: Mapping[str, Any], name: str) -> Label:
        """A class number, a mask (height, width) of integers, or values; None where there is none.

        Calibration takes no labels, so it does not mind what they are.
        """
        if not self._labelled:
            return None
        label = item.get(LABEL_KEY)
        if self._labels and (label is None) != (self._labels[0] is None):
            which = "no label" if label is None else "a label"
            raise DataError(
                f"{name}: {which}, unlike the first sample", hint="label every sample, or none"
            )
        if label is None:
            return None
        value = np.asarray(label)
        if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise DataError(
                f"{name}: the label is no number",
                hint="`label` is a class number, a mask (height, width) of integers, or values",
            )
        if value.size == 1 and value.dtype.kind in "biu" and value.ravel()[0] >= 0:
            return int(value.ravel()[0])
        mask = value.ndim == 2 and value.dtype.kind in "biu"
        if mask and (value < 0).any():
            raise DataError(f"{name}: a mask holds negative numbers", hint="classes count from 0")
        return value.astype(np.int32 if mask else np.float32)


def _load(path: Path) -> ModuleType:
    """Import a file by its path; modules beside it can be imported by it."""
    spec = importlib.util.spec_from_file_location("coral_custom_data", path)
    if spec is None or spec.loader is None:
        raise DataError(f"{printable(path.name)}: no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look modules up by name
    sys.path.append(str(path.parent))
    sys.dont_write_bytecode = True  # the repository is not ours to write to
    spec.loader.exec_module(module)
    return module
