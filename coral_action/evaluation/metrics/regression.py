"""Metrics of models that predict numbers: the label has the output's shape."""

from __future__ import annotations

import numpy as np

from coral_action.errors import DataError
from coral_action.evaluation.metrics.kind import (
    Floats,
    MetricKind,
    Outputs,
    Settings,
    Truth,
    Weighted,
    mean_of,
)


def error_row(outputs: Outputs, reference: Outputs, truth: Truth, settings: Settings) -> Floats:
    """[mean absolute error, mean squared error] over the values of the output.

    Raises:
        DataError: if there is no label, or it has another number of values.
    """
    predicted = np.ravel(outputs[settings.output]).astype(np.float64)
    if truth is None:
        raise DataError("there is no label", hint="mae and mse need labels: y of an npz")
    wanted = np.ravel(np.asarray(truth, dtype=np.float64))
    if len(predicted) != len(wanted):
        raise DataError(
            f"the label has {len(wanted)} values, output {settings.output} has {len(predicted)}",
            hint="mae and mse need the output's values as labels: y of an npz, one row a sample",
        )
    error = predicted - wanted
    return np.array([np.abs(error).mean(), (error * error).mean()])


def mae(rows: Floats) -> Weighted:
    """Mean absolute error, in the labels' unit."""
    return mean_of(rows[:, 0])


def mse(rows: Floats) -> Weighted:
    """Mean squared error, in the square of the labels' unit."""
    return mean_of(rows[:, 1])


KINDS = (
    MetricKind("mae", "error", "values", error_row, mae, unit="value", higher_is_better=False),
    MetricKind("mse", "error", "values", error_row, mse, unit="value", higher_is_better=False),
)
