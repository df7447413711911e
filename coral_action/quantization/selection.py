"""method auto: every candidate is quantized and measured, and the best is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from coral_action.quantization.calibrators import CALIBRATORS, Options, Ranges
from coral_action.quantization.observation import Observed
from coral_action.quantization.scoring import Score

# What a candidate must gain over plain min_max: less is within the noise of 32 samples.
MARGIN_DB = 0.5
# So many samples more or less in agreement decide whatever the SQNR says.
_DECISIVE = 2
# Too few samples to tell a gain from chance.
_FEWEST = 8

Measure = Callable[[Ranges], Score]


@dataclass(frozen=True)
class Trial:
    """One way to quantize that was tried, and how close it came to the float model."""

    name: str
    sqnr: float
    agreement: float | None
    kept: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def candidates(options: Options) -> list[tuple[str, str, Options]]:
    """(name, method, options) of all that auto tries; the baseline comes first."""
    percentiles = sorted({99.99, 99.9, options.percentile}, reverse=True)
    return [
        ("min_max", "min_max", options),
        *((f"percentile {p:g}", "percentile", replace(options, percentile=p)) for p in percentiles),
        ("moving_average", "moving_average", options),
        ("mse", "mse", options),
        ("entropy", "entropy", options),
    ]


def choose(observed: Observed, options: Options, measure: Measure) -> tuple[int, list[Trial]]:
    """Measure every candidate; returns the position of the best among them, and all trials.

    Args:
        observed: with histograms.
        options: those of coral.yml.
        measure: quantizes with some ranges and compares with the float outputs.
    """
    listed = candidates(options)
    scores = [measure(CALIBRATORS[method](observed, own)) for _, method, own in listed]
    better = [
        index
        for index, score in enumerate(scores)
        if index > 0 and beats(score, scores[0], MARGIN_DB)
    ]
    best = max(better, key=lambda index: _rank(scores[index]), default=0)
    trials = [
        Trial(name, score.sqnr, score.agreement, kept=index == best)
        for index, ((name, _, _), score) in enumerate(zip(listed, scores, strict=True))
    ]
    return best, trials


def beats(new: Score, old: Score, margin: float) -> bool:
    """Whether one score is better than another on the same samples, and not by chance.

    It is when the mean of the differences in dB exceeds the margin and twice its standard error
    (a paired t-test at about 95 %), or when two or more samples more agree with the float model;
    two or more that agree less rule it out.
    """
    count = len(new.by_sample)
    if new.agreement is not None and old.agreement is not None:
        gained = round((new.agreement - old.agreement) * count)
        if abs(gained) >= _DECISIVE:
            return gained > 0
    if count < _FEWEST:
        return False
    differences = np.subtract(new.by_sample, old.by_sample)
    error = float(differences.std(ddof=1)) / np.sqrt(count)
    return bool(differences.mean() > max(margin, 2 * error))


def _rank(score: Score) -> tuple[float, float]:
    """Agreement in steps that chance does not make, then SQNR."""
    count = max(len(score.by_sample), 1)
    agreement = score.agreement if score.agreement is not None else 1.0
    return (round(agreement * count / _DECISIVE), score.sqnr)


def explain(trials: list[Trial], count: int) -> str:
    """Why the kept one was chosen, in one sentence."""
    kept = next(trial for trial in trials if trial.kept)
    base = trials[0]
    if kept is base:
        others = max(trial.sqnr for trial in trials[1:])
        return (
            f"min_max is kept: on {count} calibration samples its outputs are within "
            f"{base.sqnr:.1f} dB of the float model's, the best of the others within {others:.1f} "
            f"dB, and {MARGIN_DB:g} dB more are asked of them"
        )
    text = (
        f"{kept.name}: on {count} calibration samples its outputs are within {kept.sqnr:.1f} dB of "
        f"the float model's, those of min_max within {base.sqnr:.1f} dB"
    )
    if kept.agreement is not None and base.agreement is not None:
        text += f"; the class agrees in {kept.agreement:.1%} against {base.agreement:.1%}"
    return text
