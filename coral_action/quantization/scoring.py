"""How close an int8 model comes to its float model, on samples whose float outputs are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.data import Sample
from coral_action.inference import fastest
from coral_action.tflite import read_model

Array = npt.NDArray[Any]
# Beyond this the outputs are as good as equal; without a bound one such sample would outweigh all.
_MOST_DB = 60.0
_LEAST_DB = -20.0


@dataclass(frozen=True)
class Score:
    """Closeness of outputs.

    Attributes:
        sqnr: signal to quantization noise ratio in dB, 10 log10(sum x^2 / sum (x - y)^2) of each
            sample and output, then the mean: a few broken samples can't decide it.
        agreement: part of the samples with the same largest class, 0 to 1; None without classes.
        by_sample: the SQNR of each sample, in dB, to compare two scores sample by sample.
    """

    sqnr: float
    agreement: float | None
    by_sample: tuple[float, ...] = field(default=(), repr=False)


def sqnr(real: Array, approximate: Array) -> float:
    """SQNR in dB; infinite when equal, NaN when there is no signal."""
    difference = np.asarray(real, np.float64) - np.asarray(approximate, np.float64)
    noise = float(np.sum(difference * difference))
    signal = float(np.sum(np.square(real, dtype=np.float64)))
    if signal == 0:
        return float("nan")
    return float("inf") if noise == 0 else float(10 * np.log10(signal / noise))


def score(
    content: bytes, samples: Sequence[Sample], expected: dict[str, Array], positions: Sequence[int]
) -> Score:
    """Run an int8 model and compare.

    Args:
        content: the int8 .tflite.
        samples: what to run.
        expected: float outputs by name, a row for each of N samples: (N, *shape of the output).
        positions: where each of `samples` is in `expected`.
    """
    model = read_model(content)
    runner, _ = fastest(content, model.input_names(), model.output_names())
    ratios: list[float] = []
    agreeing: list[bool] = []
    names = _paired(list(expected), list(model.output_names()))
    for sample, position in zip(samples, positions, strict=True):
        outputs = runner.run(sample.inputs)
        pairs = [(expected[name][position], outputs[own]) for name, own in names.items()]
        ratios.append(float(np.mean([_bounded(sqnr(real, ours)) for real, ours in pairs])))
        if _has_classes(expected):
            (name, own), *_ = names.items()
            agreeing.append(
                int(np.argmax(expected[name][position])) == int(np.argmax(outputs[own]))
            )
    return Score(
        float(np.mean(ratios)) if ratios else _MOST_DB,
        float(np.mean(agreeing)) if agreeing else None,
        tuple(ratios),
    )


def _bounded(ratio: float) -> float:
    """Without a signal there is nothing to lose."""
    return _MOST_DB if np.isnan(ratio) else min(max(ratio, _LEAST_DB), _MOST_DB)


def _paired(float_names: list[str], int8_names: list[str]) -> dict[str, str]:
    """Float to int8 output names: the quantizer keeps signatures and the order of outputs."""
    if set(float_names) == set(int8_names):
        return {name: name for name in float_names}
    return dict(zip(float_names, int8_names, strict=True))


def _has_classes(expected: dict[str, Array]) -> bool:
    """Whether the outputs look like class scores: one output, one vector a sample."""
    if len(expected) != 1:
        return False
    (values,) = expected.values()
    return values.ndim >= 2 and 1 < values.shape[-1] == int(np.prod(values.shape[1:]))
