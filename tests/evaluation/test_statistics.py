"""Against scipy, and against published tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from coral_action.evaluation.statistics import (
    mcnemar_exact,
    paired_bootstrap,
    paired_difference_interval,
)

Z = float(stats.norm.ppf(0.975))


@pytest.mark.parametrize(
    ("lost", "gained", "p"),
    [
        # Airway responsiveness, Bentur et al. (2009), in Fagerland et al. (2014): p = 0.070.
        (7, 1, 0.070),
        # Agresti, Categorical Data Analysis, approval of the prime minister: 150 against 86.
        (150, 86, 0.0000372),
        (0, 0, 1.0),
        (5, 5, 1.0),
    ],
)
def test_mcnemar_published(lost: int, gained: int, p: float) -> None:
    assert mcnemar_exact(lost, gained) == pytest.approx(p, rel=0.01)


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_sign_test(lost: int, gained: int) -> None:
    expected = stats.binomtest(lost, lost + gained, 0.5).pvalue if lost + gained else 1.0
    assert mcnemar_exact(lost, gained) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_of_many_samples() -> None:
    expected = stats.binomtest(20_000, 39_500, 0.5).pvalue
    assert mcnemar_exact(20_000, 19_500) == pytest.approx(expected, rel=1e-6)


def test_interval_published() -> None:
    # Fagerland, Lydersen and Laake (2014): Tango's interval of the table (1, 1, 7, 12) is
    # -0.517 to -0.026. McNemar's test has p = 0.07 there, so ours goes on to 0; at 90 % it stays.
    low, high = paired_difference_interval(1, 7, 21, 0.95)
    assert low == pytest.approx(-0.517, abs=5e-4)
    assert high == 0.0
    wide = _tango_by_likelihood(1, 7, 21, 0.90)
    assert paired_difference_interval(1, 7, 21, 0.90) == pytest.approx(wide, abs=1e-4)


@pytest.mark.parametrize(
    ("lost", "gained", "samples"), [(12, 3, 100), (40, 10, 480), (3, 20, 60), (30, 0, 500)]
)
def test_interval_by_likelihood(lost: int, gained: int, samples: int) -> None:
    """The score of each end of the interval, with the likelihood maximized by scipy, is z."""
    expected = _tango_by_likelihood(lost, gained, samples, 0.95)
    found = paired_difference_interval(lost, gained, samples, 0.95)
    assert found == pytest.approx(expected, abs=1e-4)


def _tango_by_likelihood(
    lost: int, gained: int, samples: int, confidence: float
) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + confidence) / 2))

    def score(difference: float) -> float:
        def loss(q: float) -> float:
            # q: probability of a gain; q + difference: of a loss; the rest changes nothing.
            parts = [(lost, q + difference), (gained, q), (samples - lost - gained, 1 - 2 * q)]
            parts[2] = (samples - lost - gained, 1 - 2 * q - difference)
            return -sum(n * np.log(max(p, 1e-300)) for n, p in parts if n)

        bounds = (max(0.0, -difference), (1 - difference) / 2)
        q = optimize.minimize_scalar(
            loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}
        ).x
        variance = samples * (2 * q + difference * (1 - difference))
        return (lost - gained - samples * difference) / np.sqrt(variance)

    point = (lost - gained) / samples
    low = optimize.brentq(lambda d: score(d) - z, -0.999, point - 1e-9)
    high = optimize.brentq(lambda d: score(d) + z, point + 1e-9, 0.999)
    return float(low), float(high)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 200))
def test_interval_agrees_with_the_test(lost: int, gained: int, unchanged: int) -> None:
    samples = max(1, lost + gained + unchanged)
    low, high = paired_difference_interval(lost, gained, samples, 0.95)
    assert -1 <= low <= (lost - gained) / samples <= high <= 1
    if mcnemar_exact(lost, gained) >= 0.05:
        assert low <= 0 <= high
    assert paired_difference_interval(gained, lost, samples, 0.95) == pytest.approx(
        (-high, -low), abs=1e-9
    )


def test_interval_when_nothing_changed() -> None:
    # The score interval of 0 changes in n is z^2 / (z^2 + n), as of a single proportion.
    low, high = paired_difference_interval(0, 0, 100, 0.95)
    assert high == pytest.approx(Z**2 / (Z**2 + 100), abs=1e-6)
    assert low == pytest.approx(-high)


def test_interval_covers_the_truth() -> None:
    """Of 400 made data sets, about 95 % have the true difference inside of their interval."""
    rng = np.random.default_rng(1)
    tables = rng.multinomial(150, [0.06, 0.03, 0.91], 400)
    inside = [
        low <= 0.03 <= high
        for lost, gained, _ in tables
        for low, high in [paired_difference_interval(int(lost), int(gained), 150, 0.95)]
    ]
    assert 0.92 <= np.mean(inside) <= 1.0


def test_bootstrap_is_scipys() -> None:
    rng = np.random.default_rng(5)
    first = rng.normal(size=70)
    second = first + rng.normal(scale=0.3, size=70) - 0.1
    expected = stats.bootstrap(
        (first, second),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        paired=True,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    found = paired_bootstrap(
        lambda w: float((first * w).sum() / w.sum()),
        lambda w: float((second * w).sum() / w.sum()),
        70,
        0.95,
    )
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_bootstrap_of_what_is_mostly_undefined() -> None:
    def undefined(weights: np.ndarray) -> float:
        return float("nan") if weights[0] else 0.0

    assert paired_bootstrap(undefined, lambda w: 0.0, 2, 0.95) is None
