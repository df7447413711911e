"""Figures as people read them; shared by all renderers. Nothing here is escaped."""

from __future__ import annotations

from coral_action.counts import plural
from coral_action.report.comparison import Change
from coral_action.report.model import (
    LimitData,
    MetricData,
    ModelReport,
    PlacementData,
    QuantizationData,
    Report,
    SizeData,
)
from coral_action.report.sections import EdgeTpuData

STATUS_WORDS = {"ok": "passed", "limit_exceeded": "limit exceeded", "failed": "failed"}
LIMIT_NAMES = {
    "accuracy_drop": "accuracy drop",
    "int8_size": "int8 size",
    "cpu_operators": "operators on the CPU",
}
DATA_WORDS = {"calibration": "Calibration data", "evaluation_data": "Evaluation data"}
_FIGURES = {
    "sizes.float_bytes": "float size",
    "sizes.int8_bytes": "int8 size",
    "sizes.edgetpu_bytes": "compiled size",
    "placement.edge_tpu": "operators on the Edge TPU",
    "placement.cpu": "operators on the CPU",
    "placement.subgraphs": "subgraphs",
    "edge_tpu.on_chip_bytes": "parameters on the chip",
    "edge_tpu.off_chip_bytes": "parameters streamed",
    "edge_tpu.scratch_bytes": "host memory for activations",
    "edge_tpu.latency_ms": "estimated latency",
    "accuracy.agreement": "agreement of float and int8",
}
_LARGE = 1e9  # a number from here on is shown with an exponent
NOISE_P = 0.05  # a change that chance alone makes at least this often counts as noise


def origin(model: ModelReport) -> str:
    """Where a result comes from, if it is not all of this run's."""
    if model.carried_over:
        return "carried over from the baseline"
    if model.shard:
        return f"shard {model.shard.index} of {model.shard.count}"
    return _from_cache(model)


def size(count: float | None) -> str:
    """A number of bytes: 812 B, 41.6 KiB, 3.40 MiB."""
    if count is None:
        return ""
    if abs(count) < 1024:
        return f"{count:.0f} B"
    if round(abs(count) / 1024, 1) < 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1024 * 1024):.2f} MiB"


def sizes(data: SizeData) -> str:
    """Float and int8, the unit once where it is the same: 13.33 → 3.72 MiB."""
    before, unit_before = size(data.float_bytes).split()
    after, unit = size(data.int8_bytes).split()
    return f"{before}{'' if unit == unit_before else f' {unit_before}'} → {after} {unit}"


def size_change(sizes: SizeData) -> str:
    """What quantizing made of the size, in percent of the float size."""
    if not sizes.float_bytes:
        return ""
    return signed((sizes.int8_bytes / sizes.float_bytes - 1) * 100, ".0f") + " %"


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 as a percentage."""
    return f"{_points(fraction)} %"


def _points(fraction: float) -> str:
    """Of 100; sums of floats that differ in their last digit alone are rounded alike."""
    return f"{round(fraction * 100, 9):.2f}"


def signed(value: float, form: str | None = ".2f") -> str:
    """A difference with its sign, a real minus; ± where it rounds to nothing.

    Without a form, it is a plain `number`.
    """
    shown = number(abs(value)) if form is None else format(abs(value), form)
    if not float(shown.replace(",", "")):
        return "±" + shown
    return ("+" if value > 0 else "−") + shown  # noqa: RUF001


def number(value: float) -> str:
    """A plain number with four digits that count."""
    return _digits(value, 4)


def _digits(value: float, count: int) -> str:
    """So many digits that count, and all of those before the point: 0.68, 7.1, 123."""
    shown = f"{value:.{count}g}"
    return f"{value:.0f}" if "e+" in shown and abs(value) < _LARGE else shown


def one(metric: MetricData, value: float | None) -> str:
    """One value of a metric with its unit; a dash where it is not known."""
    if value is None:
        return "–"  # noqa: RUF001
    return percent(value) if metric.unit == "fraction" else number(value)


def from_to(metric: MetricData) -> str:
    """A metric with float and with int8: 99.25 → 98.75 %; int8 alone without a reference."""
    if metric.float_value is None:
        return f"{one(metric, None)} → {one(metric, metric.int8_value)}"
    if metric.unit == "value":
        return f"{number(metric.float_value)} → {number(metric.int8_value)}"
    return f"{_points(metric.float_value)} → {_points(metric.int8_value)} %"


def change(metric: MetricData) -> str:
    """What int8 changed, in percentage points or the metric's unit; empty where not known."""
    if metric.drop is None:
        return ""
    sign = -1 if metric.higher_is_better else 1
    return signed(sign * metric.drop, ".2f" if metric.unit == "fraction" else None)


def interval(metric: MetricData) -> str:
    """The interval of that change: −1.20 to +0.10; empty where none is known."""  # noqa: RUF002
    if metric.interval is None:
        return ""
    sign = -1 if metric.higher_is_better else 1
    form = ".2f" if metric.unit == "fraction" else None
    low, high = sorted(sign * end for end in metric.interval)
    return f"{signed(low, form)} to {signed(high, form)}"


def confidence(metric: MetricData) -> str:
    """The level of the interval: 95 %."""
    return f"{metric.confidence * 100:g} %"


def is_noise(metric: MetricData) -> bool:
    """Whether the change is no more than chance alone makes."""
    if metric.p_value is not None:
        return metric.p_value >= NOISE_P
    return metric.interval is not None and metric.interval[0] <= 0 <= metric.interval[1]


def accuracy(model: ModelReport) -> str:
    """The first metric in words: top1 99.25 → 98.75 % (−0.50)."""  # noqa: RUF002
    if model.accuracy is None or not model.accuracy.metrics:
        return ""
    metric = model.accuracy.metrics[0]
    changed = f" ({change(metric)})" if metric.drop is not None else ""
    return f"{metric.name} {from_to(metric)}{changed}"


def mapped(placement: PlacementData) -> str:
    """Operators on the Edge TPU of all, saying so where it is a prediction."""
    text = f"{placement.edge_tpu} of {placement.edge_tpu + placement.cpu}"
    return text if placement.origin == "compiler" else f"{text}, predicted"


def bar(placement: PlacementData, width: int) -> str:
    """The share on the Edge TPU as blocks; full only where all of them are, empty where none is."""
    total = placement.edge_tpu + placement.cpu
    filled = round(placement.edge_tpu / total * width) if total else 0
    if placement.edge_tpu and placement.cpu:
        filled = min(max(filled, 1), width - 1)
    return "█" * filled + "░" * (width - filled)


def latency(edge_tpu: EdgeTpuData | None) -> str:
    """An estimate with its range: about 2.1 ms (1 to 8)."""
    if edge_tpu is None or edge_tpu.latency_ms is None:
        return ""
    low, high = edge_tpu.latency_low_ms, edge_tpu.latency_high_ms
    between = (
        f" ({_digits(low, 2)} to {_digits(high, 2)})"
        if low is not None and high is not None
        else ""
    )
    return f"about {_digits(edge_tpu.latency_ms, 2)} ms{between}"


def quantization_steps(how: QuantizationData) -> str:
    """What was done beside choosing ranges, each with what it gained where that was measured."""
    steps = []
    on: bool | None
    for name, on, gain in (
        ("bias correction", how.bias_correction, how.bias_correction_gain_db),
        ("equalization", how.equalization, how.equalization_gain_db),
    ):
        measured = f" ({gain:+.1f} dB)" if gain is not None else ""
        steps.append(f"{name} {'on' if on else 'off'}{measured}")
    return ", ".join(steps)


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio; absent means that nothing differs."""
    return "exact" if value is None else f"{value:.1f} dB"


def limit_value(limit: LimitData, value: float, model: ModelReport) -> str:
    """A limit's value with its unit: a drop is in points, or in the unit of its metric."""
    if limit.name == "int8_size":
        return size(value)
    if limit.name != "accuracy_drop":
        return f"{value:g}"
    return f"{value:.2f} points" if _in_points(model) else number(value)


def limit_sentence(limit: LimitData, model: ModelReport) -> str:
    """A limit and what was measured: accuracy drop is 2.30 points, the limit is 1.00 points."""
    name, value, most = _limit_words(limit, model)
    if limit.value is None:
        return f"{name} {value}, the limit is {most}: there is no float model to hold int8 against"
    fact = f"{name} is {value}"
    if limit.name == "cpu_operators":
        fact = f"{plural(int(limit.value), 'operator')} on the CPU"
    return f"{fact}, the limit is {most}"


def limit_item(limit: LimitData, model: ModelReport) -> str:
    """The same as an item of a list: accuracy drop 2.30 points (limit 1.00 points)."""
    name, value, most = _limit_words(limit, model)
    return f"{name} {value} (limit {most})"


def _limit_words(limit: LimitData, model: ModelReport) -> tuple[str, str, str]:
    name = LIMIT_NAMES.get(limit.name, limit.name.replace("_", " "))
    value = "unknown" if limit.value is None else limit_value(limit, limit.value, model)
    most = limit_value(limit, limit.limit, model)
    if limit.name == "accuracy_drop" and limit.limit != round(limit.limit, 2):
        most = _exact(limit, limit.limit, model)  # as it was written
    if limit.value is not None and not limit.passed and value == most:
        value, most = (_exact(limit, side, model) for side in (limit.value, limit.limit))
    if limit.confidence is not None:  # the lower end of an interval
        value = f"at least {value} ({limit.confidence * 100:g} %)"
    return name, value, most


def _exact(limit: LimitData, value: float, model: ModelReport) -> str:
    """A limit's value where rounding would hide that it is above the limit."""
    if limit.name == "int8_size":
        return f"{value:,.0f} B"
    fine = f"{value:.6g}{' points' if _in_points(model) else ''}"
    return max(limit_value(limit, value, model), fine, key=len)


def _in_points(model: ModelReport) -> bool:
    """Whether the drop that is limited is in percentage points, not in its metric's unit."""
    metrics = model.accuracy.metrics if model.accuracy else []
    return not metrics or metrics[0].unit == "fraction"


def _from_cache(model: ModelReport) -> str:
    """What an earlier run had left: unchanged, from cache; empty where all was made anew."""
    stages = {
        "loading": True,
        "quantization": model.quantization is not None,
        "compilation": model.files.edgetpu is not None,
        "evaluation": model.accuracy is not None,
    }
    known = [name for name in stages if name in (model.from_cache or ())]
    if known and all(name in known for name, ran in stages.items() if ran):
        return "unchanged, from cache"
    return f"from cache: {', '.join(known)}" if known else ""


def verdict(models: list[ModelReport]) -> str:
    """The report in one line."""
    failed = sum(model.status == "failed" for model in models)
    exceeded = sum(model.status == "limit_exceeded" for model in models)
    count = plural(len(models), "model")
    if failed and exceeded:
        return f"{failed} of {count} failed, {exceeded} exceeded a limit"
    if failed:
        return f"{failed} of {count} failed"
    if exceeded:
        return f"{exceeded} of {count} exceeded a limit"
    return f"{count} passed"


def worst_status(models: list[ModelReport]) -> str:
    """The status of the whole: failed before limit_exceeded before ok."""
    statuses = {model.status for model in models}
    return next((s for s in ("failed", "limit_exceeded") if s in statuses), "ok")


def reasons(report: Report) -> list[tuple[ModelReport, str]]:
    """Why the verdict is what it is: failed models first, then limits, then what got worse."""
    found = [(m, m.error.message) for m in report.models if m.error]
    for model in report.models:
        found += [
            (model, limit_sentence(limit, model)) for limit in model.limits if not limit.passed
        ]
        if model.accuracy and model.accuracy.structural:
            found.append((model, _structural(model)))
    models = {model.name: model for model in report.models}
    for item in report.baseline.models if report.baseline else ():
        if item.newly_on_cpu and item.name in models:
            names = sorted({operator.name for operator in item.newly_on_cpu})
            listed = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
            count = plural(len(item.newly_on_cpu), "operator")
            found.append((models[item.name], f"{count} newly on the CPU: {listed}"))
    return found


def change_words(item: Change) -> str:
    """The change of one figure: an arrow with how much, or why there is none."""
    if item.before is None or item.after is None:
        return "new" if item.before is None else "gone"
    return arrow(item) or ("within noise" if item.before != item.after else "")


def _structural(model: ModelReport) -> str:
    """What a large loss points at: the layer that loses most, where layers were measured."""
    lost = model.accuracy and model.accuracy.metrics[0].drop
    what = "loss" if lost and lost > 0 else "difference"
    sentence = f"the {what} is too large for rounding alone"
    if not model.layers:
        return sentence
    worst = model.layers[0]
    return f"{sentence}: layer `{worst.name}` loses most ({decibels(worst.sqnr_db)})"


def figure_name(item: Change) -> str:
    """What a figure is called: int8 size, top1 with int8."""
    if item.figure in _FIGURES:
        return _FIGURES[item.figure]
    section, _, name = item.figure.partition(".")
    name, _, part = name.rpartition(".")
    words = {"float": "with float", "int8": "with int8", "sqnr_db": "SQNR"}.get(part)
    return f"{name} {words}" if section == "accuracy" and words else item.figure


def figure(item: Change, value: float | None) -> str:
    """One side of a comparison with its unit."""
    if value is None:
        return "none"
    shown = {
        "bytes": lambda: size(value),
        "count": lambda: f"{value:,.0f}",
        "percent": lambda: percent(value),
        "points": lambda: f"{signed(value)} points",
        "ms": lambda: f"{_digits(value, 3)} ms",
        "db": lambda: f"{value:.1f} dB",
    }.get(item.kind)
    return shown() if shown else number(value)


def arrow(item: Change) -> str:
    """A real change with an arrow: ↑ 3.1 KiB; empty where it is no more than noise."""
    if not item.real or item.before is None or item.after is None or item.before == item.after:
        return ""
    difference = item.after - item.before
    if item.kind == "percent":
        return f"{'↑' if difference > 0 else '↓'} {abs(difference) * 100:.2f}"
    return f"{'↑' if difference > 0 else '↓'} {figure(item, abs(difference)).lstrip('+±')}"
