"""Is a difference real? Tests and intervals for two models on the same samples."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Weighted = Callable[[Array], float]

MAX_RESAMPLES = 2000
_MIN_RESAMPLES = 200
# Weights drawn in one bootstrap: 2,000 resamples of 25,000 samples take about a second.
_MAX_DRAWS = 50_000_000


def mcnemar_exact(lost: int, gained: int) -> float:
    """Two-sided p-value of McNemar's exact test.

    Under the null hypothesis each sample that changed is as likely to be lost as gained, so `lost`
    is binomial(lost + gained, 1/2) (McNemar, 1947; the exact form is the sign test).

    Args:
        lost: samples that only the first model has right.
        gained: samples that only the second model has right.
    """
    changed = lost + gained
    if changed == 0:
        return 1.0
    ways = tail = 1  # to choose k of `changed`, and the sum so far
    for k in range(min(lost, gained)):
        ways = ways * (changed - k) // (k + 1)
        tail += ways
    return float(min(1.0, tail / 2 ** (changed - 1)))


def paired_difference_interval(
    lost: int, gained: int, samples: int, confidence: float
) -> tuple[float, float]:
    """Interval of the difference of two proportions in paired samples, (lost - gained) / samples.

    Tango's score interval (Tango, 1998, Statistics in Medicine 17, 891-908), which holds its level
    for few samples and is no single point when nothing changed. Recommended by Fagerland, Lydersen
    and Laake, 2014, Statistics in Medicine 33, 2850-2875. Where McNemar's exact test, which is more
    cautious than the score, does not reject 0 at this level, the interval is made to include it.

    Args:
        lost: samples that only the first model has right.
        gained: samples that only the second model has right.
        samples: all samples, at least 1.
        confidence: level, such as 0.95.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    point = (lost - gained) / samples

    def excess(difference: float) -> float:
        return abs(_score(lost, gained, samples, difference)) - z

    low, high = _edge(excess, point, -1.0), _edge(excess, point, 1.0)
    if mcnemar_exact(lost, gained) >= 1 - confidence:
        return min(low, 0.0), max(high, 0.0)
    return low, high


def _score(lost: int, gained: int, samples: int, difference: float) -> float:
    """Tango's score statistic for a hypothetical difference of the two proportions."""
    # q is the maximum likelihood estimate of the probability that a sample is gained.
    b = -lost - gained + (2 * samples - lost + gained) * difference
    c = -gained * difference * (1 - difference)
    q = (math.sqrt(max(b * b - 8 * samples * c, 0.0)) - b) / (4 * samples)
    variance = samples * (2 * q + difference * (1 - difference))
    distance = lost - gained - samples * difference
    if variance <= 0:
        return 0.0 if distance == 0 else math.copysign(math.inf, distance)
    return distance / math.sqrt(variance)


def _edge(excess: Callable[[float], float], inside: float, outside: float) -> float:
    """Where `excess` turns positive between a point of the interval and the end of the range."""
    if excess(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (inside + outside) / 2
        inside, outside = (middle, outside) if excess(middle) <= 0 else (inside, middle)
    return inside


def paired_bootstrap(
    first: Weighted,
    second: Weighted,
    samples: int,
    confidence: float,
    *,
    seed: int = 0,
    work: int = 1,
) -> tuple[float, float] | None:
    """Percentile interval of first - second, both computed on the same resamples of the samples.

    (Efron and Tibshirani, 1993, An Introduction to the Bootstrap, chapter 13.)

    Args:
        first: value of a metric, given how often each sample counts (float64, shape (samples,)).
        second: the same for the other model.
        samples: how many samples there are, at least 1.
        confidence: level, such as 0.95.
        seed: the same seed draws the same resamples.
        work: how much a value of the metric costs, where that is more than one step a sample: then
            there are fewer resamples.

    Returns:
        Lower and upper end; None if the metric is undefined on most resamples.
    """
    rng = np.random.default_rng(seed)
    count = max(_MIN_RESAMPLES, min(MAX_RESAMPLES, _MAX_DRAWS // max(samples, work)))
    differences = np.empty(count)
    for i in range(count):
        drawn = rng.integers(0, samples, samples)
        weights = np.bincount(drawn, minlength=samples).astype(np.float64)
        differences[i] = first(weights) - second(weights)
    known = differences[~np.isnan(differences)]
    if len(known) < count / 2:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)
