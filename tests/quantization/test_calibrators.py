"""Each calibrator against a direct computation from the values themselves."""

from __future__ import annotations

import numpy as np
import pytest

from coral_action.quantization.calibrators import CALIBRATORS, Options
from coral_action.quantization.calibrators.mse import best_range
from coral_action.quantization.calibrators.percentile import tails
from coral_action.quantization.observation import Histograms, Observed


def observed(values: np.ndarray, bins: int = 4096) -> Observed:
    """One tensor; a row of values for each sample."""
    histograms = Histograms.empty(1, bins)
    histograms.add(values.reshape(1, -1))
    names = tuple(str(i) for i in range(len(values)))
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    return Observed((3,), low, high, histograms, {}, names, tuple(range(len(names))))


@pytest.fixture(scope="module")
def normal() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(50, 2000)).astype(np.float32)


def test_min_max(normal: np.ndarray) -> None:
    seen = CALIBRATORS["min_max"](observed(normal), Options())
    assert seen == {3: (float(normal.min()), float(normal.max()))}


def test_moving_average_is_the_recurrence(normal: np.ndarray) -> None:
    momentum = 0.9
    low = high = 0.0
    for row in normal:
        low = momentum * low + (1 - momentum) * float(row.min())
        high = momentum * high + (1 - momentum) * float(row.max())
    scale = 1 - momentum ** len(normal)
    result = CALIBRATORS["moving_average"](observed(normal), Options(momentum=momentum))
    assert result[3] == pytest.approx((low / scale, high / scale))


@pytest.mark.parametrize("percent", [90.0, 99.0, 99.9, 100.0])
def test_percentile_cuts_no_more_than_asked_and_no_less_by_a_bin(
    normal: np.ndarray, percent: float
) -> None:
    low, high = CALIBRATORS["percentile"](observed(normal), Options(percentile=percent))[3]
    most = round(normal.size * (1 - percent / 100))
    width = 8 / 4096  # the smallest power of two that holds |normal| < 5, in 4096 bins
    assert (normal > high).sum() <= most <= (normal > high - 2 * width).sum()
    assert (normal < low).sum() <= most <= (normal < low + 2 * width).sum()


def test_tails_cut_at_most_the_fraction() -> None:
    edges = np.arange(11, dtype=float)
    counts = np.array([1, 0, 5, 20, 30, 20, 15, 5, 3, 1])
    assert tails(edges, counts, 1.0) == (0, 10)
    assert tails(edges, counts, 0.99) == (2, 9)
    assert tails(edges, counts, 0.95) == (2, 8)


def quantization_error(values: np.ndarray, low: float, high: float) -> float:
    """Mean squared error of really quantizing to 256 levels of which one is 0."""
    scale = (high - low) / 255
    zero = np.rint(-low / scale)
    steps = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.mean((values - (steps - zero) * scale) ** 2))


@pytest.mark.parametrize("kind", ["normal", "laplace", "relu", "spiked"])
def test_mse_is_within_2_percent_of_the_best_of_a_fine_grid(kind: str) -> None:
    generator = np.random.default_rng(1)
    values = {
        "normal": lambda: generator.normal(size=20000),
        "laplace": lambda: generator.laplace(size=20000),
        "relu": lambda: np.maximum(generator.normal(size=20000), 0),
        "spiked": lambda: np.concatenate([generator.normal(size=19990), np.full(10, 8.0)]),
    }[kind]().astype(np.float32)
    low, high = CALIBRATORS["mse"](observed(values.reshape(20, -1)), Options())[3]
    ends_low = values.min() * np.linspace(0.1, 1, 60) if values.min() < 0 else [0.0]
    ends_high = values.max() * np.linspace(0.1, 1, 60)
    best = min(quantization_error(values, a, b) for a in ends_low for b in ends_high)
    assert quantization_error(values, low, high) <= 1.02 * best


def test_mse_of_a_range_without_outliers_is_kept() -> None:
    edges = np.linspace(-1, 1, 2049)
    counts = np.full(2048, 10)
    low, high = best_range(edges, counts, -1.0, 1.0)
    assert (low, high) == pytest.approx((-1.0, 1.0), abs=0.02)


def test_entropy_cuts_off_an_outlier_and_keeps_a_flat_distribution() -> None:
    generator = np.random.default_rng(2)
    spiked = generator.normal(size=(10, 10000)).astype(np.float32)
    spiked[3, 7] = 100.0
    low, high = CALIBRATORS["entropy"](observed(spiked), Options())[3]
    assert 2 < high < 15
    assert -15 < low < -2
    flat = generator.uniform(-1, 1, size=(10, 10000)).astype(np.float32)
    assert CALIBRATORS["entropy"](observed(flat), Options())[3] == pytest.approx((-1, 1), rel=0.1)


def test_entropy_ignores_the_zeros_of_a_relu() -> None:
    values = np.maximum(np.random.default_rng(3).normal(size=(10, 10000)), 0).astype(np.float32)
    zeros = np.concatenate([values, np.zeros_like(values), np.zeros_like(values)], axis=1)
    with_zeros = CALIBRATORS["entropy"](observed(zeros), Options())[3]
    assert with_zeros == pytest.approx(CALIBRATORS["entropy"](observed(values), Options())[3])
    assert with_zeros[0] == 0


@pytest.mark.parametrize("method", sorted(CALIBRATORS))
def test_every_range_lies_within_what_was_seen(method: str, normal: np.ndarray) -> None:
    low, high = CALIBRATORS[method](observed(normal), Options())[3]
    assert normal.min() <= low < 0 < high <= normal.max()


def test_a_tensor_of_zeros_has_an_empty_range() -> None:
    zeros = np.zeros((5, 10), dtype=np.float32)
    for calibrator in CALIBRATORS.values():
        assert calibrator(observed(zeros), Options())[3] == (0, 0)
