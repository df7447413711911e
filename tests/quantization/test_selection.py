from __future__ import annotations

import numpy as np
import pytest

from coral_action.quantization.calibrators import Options
from coral_action.quantization.observation import Observed
from coral_action.quantization.scoring import Score, sqnr
from coral_action.quantization.selection import beats, candidates, choose, explain


def scored(decibels: list[float], agreement: float | None = None) -> Score:
    return Score(float(np.mean(decibels)), agreement, tuple(decibels))


def test_sqnr() -> None:
    real = np.array([3.0, 4.0])
    assert sqnr(real, real + np.array([0.3, 0.4])) == pytest.approx(20)
    assert sqnr(real, real) == float("inf")
    assert np.isnan(sqnr(np.zeros(2), real))


def test_a_gain_must_exceed_the_margin() -> None:
    base = [30.0] * 20
    assert beats(scored([31.0] * 20), scored(base), 0.5)
    assert not beats(scored([30.4] * 20), scored(base), 0.5)


def test_a_gain_must_not_be_chance() -> None:
    noise = [30.0 + (20 if i == 0 else -0.2) for i in range(20)]  # mean + 0.8, one lucky sample
    assert not beats(scored(noise), scored([30.0] * 20), 0.5)


def test_too_few_samples_prove_nothing() -> None:
    assert not beats(scored([40.0] * 4), scored([30.0] * 4), 0.5)


def test_two_samples_that_agree_outweigh_decibels() -> None:
    better = scored([29.0] * 20, 1.0)
    worse = scored([30.0] * 20, 0.9)
    assert beats(better, worse, 0.5)
    assert not beats(worse, better, 0.5)


def seen() -> Observed:
    from coral_action.quantization.observation import Histograms

    values = np.random.default_rng(0).normal(size=(20, 100)).astype(np.float32)
    histograms = Histograms.empty(1, 1024)
    histograms.add(values.reshape(1, -1))
    low, high = values.min(axis=1, keepdims=True), values.max(axis=1, keepdims=True)
    return Observed((0,), low, high, histograms, {}, tuple(map(str, range(20))), tuple(range(20)))


def test_the_best_candidate_is_kept_and_explained() -> None:
    scores = iter([30.0, 31.0, 33.0, 29.0, 32.0, 25.0])
    best, trials = choose(seen(), Options(), lambda ranges: scored([next(scores)] * 20))
    assert candidates(Options())[best][0] == "percentile 99.9"
    assert [trial.kept for trial in trials] == [False, False, True, False, False, False]
    assert "33.0 dB" in explain(trials, 20)
    assert "min_max within 30.0 dB" in explain(trials, 20)


def test_min_max_is_kept_where_nothing_is_better() -> None:
    best, trials = choose(seen(), Options(), lambda ranges: scored([30.0] * 20))
    assert best == 0
    assert explain(trials, 20).startswith("min_max is kept")


def test_a_percentile_of_coral_yml_is_tried_too() -> None:
    names = [name for name, _, _ in candidates(Options(percentile=99.5))]
    assert names[0] == "min_max"
    assert "percentile 99.5" in names
