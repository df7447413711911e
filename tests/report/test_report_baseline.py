"""Two reports compared: figures, noise, operators that moved, models added and removed."""

from __future__ import annotations

import math

import pytest
import report_samples as samples

from coral_action.report import markdown, text
from coral_action.report.baseline import binomial_noise, compare, moved_operators, with_baseline
from coral_action.report.comparison import Change
from coral_action.report.model import PlacementData, Report


def changes(now: samples.Plain, before: samples.Plain) -> dict[str, Change]:
    (model,) = compare(samples.report_of(now), samples.report_of(before)).models
    return {change.figure: change for change in model.changes}


def test_a_report_against_itself_has_no_arrow() -> None:
    report = samples.report_of(samples.exceeded(), samples.good())
    comparison = compare(report, report)
    assert comparison.added == comparison.removed == []
    for model in comparison.models:
        assert not model.newly_on_cpu
        assert not model.newly_on_edge_tpu
        assert all(text.arrow(change) == "" for change in model.changes)


def test_models_added_and_removed() -> None:
    comparison = samples.mixed().baseline
    assert comparison is not None
    assert comparison.added == ["keyword_gru"]
    assert comparison.removed == ["retired_model"]


def test_models_that_were_not_asked_for_are_neither_new_nor_gone() -> None:
    """A job of a matrix runs some of the models of coral.yml."""
    config = {"sha256": "c" * 64, "models": [samples.good()["name"], samples.exceeded()["name"]]}
    whole = samples.report_of(samples.good(), samples.exceeded())
    part = samples.report_of(samples.good())
    whole, part = (
        Report.from_data({**report.to_json(), "config": config}) for report in (whole, part)
    )
    for now, before in ((part, whole), (whole, part)):
        comparison = compare(now, before)
        assert comparison.added == comparison.removed == []
    assert compare(samples.report_of(samples.good()), whole).removed == [samples.exceeded()["name"]]


def test_a_baseline_without_operators_says_nothing_of_where_they_moved() -> None:
    """A check run keeps a long report without them."""
    now = samples.report_of(samples.exceeded()).models[0].placement
    assert now is not None
    assert now.cpu
    before = now.model_copy(update={"operators": []})
    assert moved_operators(now, before) == ([], [])


def test_every_figure_is_compared() -> None:
    found = changes(samples.good(), samples.good())
    assert set(found) == {
        "sizes.float_bytes",
        "sizes.int8_bytes",
        "sizes.edgetpu_bytes",
        "placement.edge_tpu",
        "placement.cpu",
        "placement.subgraphs",
        "edge_tpu.on_chip_bytes",
        "edge_tpu.off_chip_bytes",
        "edge_tpu.latency_ms",
        "accuracy.top1.float",
        "accuracy.top1.int8",
        "accuracy.top5.float",
        "accuracy.top5.int8",
        "accuracy.agreement",
        "accuracy.probabilities.sqnr_db",
    }


def test_size_has_no_noise() -> None:
    before = samples.good() | {"sizes": {"float_bytes": 13_978_596, "int8_bytes": 3_901_263}}
    change = changes(samples.good(), before)["sizes.int8_bytes"]
    assert change.real
    assert change.better is False
    assert text.arrow(change) == "↑ 1 B"


def accuracy(value: float, samples_: int) -> samples.Plain:
    section = samples.good()["accuracy"] | {
        "samples": samples_,
        "metrics": [samples.metric("top1", 0.72, value)],
    }
    return samples.good() | {"accuracy": section}


def test_accuracy_within_chance_has_no_arrow() -> None:
    # 95 % of the differences of two runs over 1,000 samples at 0.714 lie within
    # 1.96 * sqrt(2 * 0.714 * 0.286 / 1000) = 3.96 points.
    within = changes(accuracy(0.714, 1000), accuracy(0.75, 1000))["accuracy.top1.int8"]
    beyond = changes(accuracy(0.714, 1000), accuracy(0.76, 1000))["accuracy.top1.int8"]
    assert not within.real
    assert text.arrow(within) == ""
    assert text.change_words(within) == "within noise"
    assert beyond.real
    assert text.arrow(beyond) == "↓ 4.60"
    assert beyond.better is False


@pytest.mark.parametrize("n", [50, 400, 5000])
def test_noise_matches_simulation(n: int) -> None:
    import numpy as np

    rng = np.random.default_rng(1)
    differences = (rng.binomial(n, 0.8, 40_000) - rng.binomial(n, 0.8, 40_000)) / n
    outside = np.mean(np.abs(differences) > binomial_noise(0.8, 0.8, n, n))
    assert 0.02 < outside < 0.08


def test_noise_of_nothing_known() -> None:
    assert binomial_noise(None, 0.5, 10, 10) == 0
    assert binomial_noise(1.0, 1.0, 10, 10) == 0
    assert math.isclose(binomial_noise(0.5, 0.5, 100, 100), 1.96 * math.sqrt(0.005))


def test_latency_that_hardly_changes_has_no_arrow() -> None:
    """The estimate is as wrong before as after: 5 % of it are noise, more is a change."""
    before = samples.good()
    near = before | {"edge_tpu": before["edge_tpu"] | {"latency_ms": 2.7}}
    far = before | {"edge_tpu": before["edge_tpu"] | {"latency_ms": 3.5}}
    assert text.arrow(changes(near, before)["edge_tpu.latency_ms"]) == ""
    assert text.arrow(changes(far, before)["edge_tpu.latency_ms"]) == "↑ 0.9 ms"


def test_a_metric_in_its_own_unit_needs_an_interval() -> None:
    def model(value: float, **more: object) -> samples.Plain:
        item = {"name": "mae", "float": 2.0, "int8": value, "drop": value - 2, "unit": "value"}
        section = {"samples": 9, "kernels": "xnnpack", "metrics": [item | more]}
        return samples.good() | {"accuracy": section}

    unknown = changes(model(3.0, higher_is_better=False), model(2.0, higher_is_better=False))
    assert not unknown["accuracy.mae.int8"].real
    known = {"higher_is_better": False, "interval": [-0.2, 0.2]}
    change = changes(model(3.0, **known), model(2.0, **known))["accuracy.mae.int8"]
    assert change.real
    assert change.better is False


def place(*operators: tuple[str, str]) -> PlacementData:
    placed = [{"index": i, "name": n, "target": t} for i, (n, t) in enumerate(operators)]
    return PlacementData.model_validate(samples.placement(placed))


def test_moved_operators_are_found_behind_inserted_ones() -> None:
    before = place(("CONV_2D", "edge_tpu"), ("ADD", "cpu"), ("SOFTMAX", "edge_tpu"))
    now = place(
        ("PAD", "edge_tpu"),
        ("CONV_2D", "edge_tpu"),
        ("ADD", "edge_tpu"),
        ("GELU", "cpu"),
        ("SOFTMAX", "cpu"),
    )
    to_cpu, to_edge_tpu = moved_operators(now, before)
    assert [(item.index, item.name) for item in to_cpu] == [(3, "GELU"), (4, "SOFTMAX")]
    assert [(item.index, item.name) for item in to_edge_tpu] == [(2, "ADD")]


def test_comparison_is_shown() -> None:
    shown = markdown.render(samples.mixed())
    assert "8 operators newly on the CPU" in shown
    assert "Newly on the CPU: <code>RESIZE" in shown
    assert "No longer there: <code>retired" in shown


def test_comparison_survives_the_file() -> None:
    report = samples.mixed()
    assert Report.from_data(report.to_json()) == report


def test_large_reports_with_other_operators_compare_quickly() -> None:
    now, before = samples.large(40, 300), samples.large(40, 280)
    assert len(compare(now, before).models) == 40
    assert with_baseline(now, before).baseline is not None
