"""A metric that the user wrote: `python: file.py:function`; runs in the child process only."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.config.evaluation_schema import MetricChoice
from coral_action.errors import DataError
from coral_action.evaluation.metrics.kind import (
    Floats,
    MetricKind,
    Outputs,
    RowFunction,
    Settings,
    Truth,
    Weighted,
    mean_of,
)


def custom_kind(choice: MetricChoice, row: RowFunction) -> MetricKind:
    """The metric of a user's function: the mean of what it returns."""
    return MetricKind(
        choice.label,
        f"python {choice.label}",
        "any",
        row,
        _mean,
        unit=choice.unit or "value",
        higher_is_better=choice.higher_is_better is not False,
    )


def _mean(rows: Floats) -> Weighted:
    return mean_of(rows[:, 0])


def not_run(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """Stands for the function where rows are only read: the parent runs no foreign code."""
    raise RuntimeError("the user's function runs in the child process only")


def load_row(choice: MetricChoice, path: Path) -> RowFunction:
    """The user's function as a row function: [what it returns for a sample].

    Args:
        choice: the metric.
        path: the file that holds the function, checked to be in the workspace.

    Raises:
        DataError: if it can't be imported, or later, if it fails or returns no number.
    """
    function = _load(choice, path)

    def row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
        try:
            # Copies: what a function sorts in place is what other metrics look at.
            value = float(function({k: v.copy() for k, v in outputs.items()}, deepcopy(truth)))
        except (Exception, SystemExit) as error:
            raise DataError(
                f"{choice.python} failed: {type(error).__name__}: {error}",
                hint="it is called with ({output name: array (1, ...)}, label), returns a number",
            ) from error
        if not math.isfinite(value):
            raise DataError(f"{choice.python} returned {value}", hint="return a finite number")
        if choice.unit == "fraction" and not 0 <= value <= 1:
            raise DataError(
                f"{choice.python} returned {value:g}, which is no fraction",
                hint="return 0 to 1, or leave out `unit: fraction`",
            )
        return np.array([value])

    return row


def _load(choice: MetricChoice, path: Path) -> Callable[..., Any]:
    name = (choice.python or "").rpartition(":")[2]
    spec = importlib.util.spec_from_file_location("coral_custom_metric", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DataError(f"{choice.python}: no such file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look modules up by name
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise DataError(
            f"{choice.python} can't be imported: {type(error).__name__}: {error}"
        ) from error
    finally:
        sys.path.remove(str(path.parent))
    function = getattr(module, name, None)
    if not callable(function):
        raise DataError(f"{choice.python}: {path.name} has no function {name}")
    return function  # type: ignore[no-any-return]
