"""Two reports compared: what changed from an earlier one to this one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from difflib import SequenceMatcher

from coral_action.report.comparison import (
    Change,
    Comparison,
    Kind,
    ModelComparison,
    MovedOperator,
)
from coral_action.report.model import (
    AccuracyData,
    MetricData,
    ModelReport,
    OperatorData,
    PlacementData,
    Report,
)

Sides = tuple[AccuracyData | None, AccuracyData | None]  # before, now

LATENCY_NOISE = 0.05  # of an estimate of latency
_Z = 1.96  # of a normal distribution, 95 % lie within so many standard deviations


def with_baseline(report: Report, baseline: Report) -> Report:
    """The report with its comparison to an earlier one; models are matched by name."""
    return report.model_copy(update={"baseline": compare(report, baseline)})


def compare(report: Report, baseline: Report) -> Comparison:
    """Every figure of every model that both have, and the models that only one has."""
    before = {model.name: model for model in baseline.models}
    # A run of some models, such as a job of a matrix: the others are in its coral.yml all the same.
    names = {model.name for model in report.models} | _configured(report)
    known = before.keys() | _configured(baseline)
    return Comparison(
        models=[_compare(m, before[m.name]) for m in report.models if m.name in before],
        added=[m.name for m in report.models if m.name not in known],
        removed=[m.name for m in baseline.models if m.name not in names],
    )


def _configured(report: Report) -> set[str]:
    return set(report.config.models) if report.config else set()


def _compare(now: ModelReport, before: ModelReport) -> ModelComparison:
    to_cpu, to_edge_tpu = moved_operators(now.placement, before.placement)
    return ModelComparison(
        name=now.name,
        status_before=before.status,
        changes=[*_sizes(now, before), *_placement(now, before), *_accuracy(now, before)],
        newly_on_cpu=to_cpu,
        newly_on_edge_tpu=to_edge_tpu,
    )


def _plain(
    figure: str,
    kind: Kind,
    before: float | None,
    now: float | None,
    *,
    more_is_better: bool | None = None,
    noise: float = 0,
) -> Change:
    """A change that is real where it is larger than `noise`."""
    difference = None if before is None or now is None else now - before
    real = difference is not None and abs(difference) > noise
    better = None
    if real and difference and more_is_better is not None:
        better = (difference > 0) == more_is_better
    return Change(figure=figure, kind=kind, before=before, after=now, real=real, better=better)


def _known(*changes: Change) -> Iterator[Change]:
    """Those with a figure on at least one side."""
    return (c for c in changes if c.before is not None or c.after is not None)


def _sizes(now: ModelReport, before: ModelReport) -> Iterator[Change]:
    for name in ("float_bytes", "int8_bytes", "edgetpu_bytes"):
        sides = [getattr(model.sizes, name, None) for model in (before, now)]
        yield from _known(_plain(f"sizes.{name}", "bytes", *sides, more_is_better=False))


def _placement(now: ModelReport, before: ModelReport) -> Iterator[Change]:
    for name, more in (("edge_tpu", True), ("cpu", False), ("subgraphs", False)):
        sides = [getattr(model.placement, name, None) for model in (before, now)]
        yield from _known(_plain(f"placement.{name}", "count", *sides, more_is_better=more))
    for name in ("on_chip_bytes", "off_chip_bytes", "scratch_bytes"):
        sides = [getattr(model.edge_tpu, name, None) for model in (before, now)]
        more_wanted = None if name == "on_chip_bytes" else False
        change = _plain(f"edge_tpu.{name}", "bytes", *sides, more_is_better=more_wanted)
        yield from _known(change)
    chips = [model.edge_tpu for model in (before, now)]
    latencies = [chip.latency_ms if chip else None for chip in chips]
    # The estimate's error is the same on both sides; what it can't tell is a few per cent.
    noise = max([value * LATENCY_NOISE for value in latencies if value], default=0.0)
    latency = _plain("edge_tpu.latency_ms", "ms", *latencies, more_is_better=False, noise=noise)
    yield from _known(latency)


def _accuracy(now: ModelReport, before: ModelReport) -> Iterator[Change]:
    sides: Sides = (before.accuracy, now.accuracy)
    names = dict.fromkeys(metric.name for side in sides if side for metric in side.metrics)
    for name in names:
        old, new = (_metric(side, name) for side in sides)
        for part in ("float", "int8"):
            yield from _known(_metric_change(name, part, old, new, sides))
    agreements = [side.agreement if side else None for side in sides]
    noise = binomial_noise(agreements[0], agreements[1], *_samples(sides))
    change = _plain("accuracy.agreement", "percent", *agreements, more_is_better=True, noise=noise)
    yield from _known(change)
    outputs = [{o.name: o.sqnr_db for o in side.outputs} if side else {} for side in sides]
    for name in dict.fromkeys([*outputs[0], *outputs[1]]):
        decibels = [side.get(name) for side in outputs]
        figure = f"accuracy.{name}.sqnr_db"
        yield from _known(_plain(figure, "db", *decibels, more_is_better=True, noise=0.05))


def _samples(sides: Sides) -> tuple[int, int]:
    before, now = (side.samples if side else 0 for side in sides)
    return before, now


def _metric(accuracy: AccuracyData | None, name: str) -> MetricData | None:
    metrics = accuracy.metrics if accuracy else []
    return next((metric for metric in metrics if metric.name == name), None)


def _metric_change(
    name: str,
    part: str,
    old: MetricData | None,
    new: MetricData | None,
    sides: Sides,
) -> Change:
    values = [getattr(metric, f"{part}_value", None) for metric in (old, new)]
    known = new or old
    fraction = known is None or known.unit == "fraction"
    if fraction:
        noise = binomial_noise(values[0], values[1], *_samples(sides))
    else:
        widths = [m.interval[1] - m.interval[0] for m in (old, new) if m and m.interval]
        noise = max(widths) / 2 if widths else math.inf
    return _plain(
        f"accuracy.{name}.{part}",
        "percent" if fraction else "value",
        *values,
        more_is_better=known is None or known.higher_is_better,
        noise=noise,
    )


def binomial_noise(
    before: float | None, now: float | None, samples_before: int, samples_now: int
) -> float:
    """How far two fractions of right answers differ by chance, at 95 %.

    The normal approximation for two independent samples: z * sqrt(p(1-p)/n + q(1-q)/m). Where both
    runs used the same samples it is too cautious, never too bold.
    """
    if before is None or now is None or samples_before < 1 or samples_now < 1:
        return 0.0
    variance = before * (1 - before) / samples_before + now * (1 - now) / samples_now
    return _Z * math.sqrt(max(variance, 0.0))


def moved_operators(
    now: PlacementData | None, before: PlacementData | None
) -> tuple[list[MovedOperator], list[MovedOperator]]:
    """Operators newly on the CPU and newly on the Edge TPU.

    Operators are matched in the order of execution by name, as lines of two texts are. One on the
    CPU that had no counterpart counts as newly there; one on the Edge TPU without does not.
    """
    if now is None or before is None:
        return [], []
    if not before.operators and before.cpu + before.edge_tpu:
        return [], []  # a long report is kept in a check run without them
    old_names, new_names = ([o.name for o in p.operators] for p in (before, now))
    to_cpu: list[MovedOperator] = []
    to_edge_tpu: list[MovedOperator] = []
    for old, new in _matched(old_names, new_names):
        operator = now.operators[new]
        was = before.operators[old].target if old is not None else None
        if operator.target == "cpu" and was != "cpu":
            to_cpu.append(_moved(operator))
        elif operator.target == "edge_tpu" and was == "cpu":
            to_edge_tpu.append(_moved(operator))
    return to_cpu, to_edge_tpu


def _matched(old: list[str], new: list[str]) -> Iterator[tuple[int | None, int]]:
    if old == new:
        yield from ((index, index) for index in range(len(new)))
        return
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, old_start, _, new_start, new_end in matcher.get_opcodes():
        for step, index in enumerate(range(new_start, new_end)):
            yield (old_start + step if kind == "equal" else None), index


def _moved(operator: OperatorData) -> MovedOperator:
    return MovedOperator(index=operator.index, name=operator.name, reason=operator.reason)
