"""Does the data look right? Each check is one function that returns all it finds (CQ3xx).

Thresholds are ours, set so that the example, photographs and keyword recordings raise nothing;
docs/findings.md explains each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from statistics import median

from coral_action.counts import plural
from coral_action.data.samples import InputProfile
from coral_action.data.statistics import Record, SampleStatistics
from coral_action.findings import Finding, Severity

Check = Callable[[SampleStatistics], Iterator[Finding]]

# Ranges that models are trained on; the first that holds all values is the likely one.
COMMON_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-128.0, 127.0))
_TOLERANCE = 0.02  # of a range's width: bicubic filters overshoot a little
_NARROW = 0.6  # of the expected width; [0, 1] fed where [-1, 1] is expected covers 0.5
_JUDGED_SAMPLES = 8  # fewer may well cover a part of a range only
_OUTLIER = 2.0  # times the median range
_CONSTANT = 0.01  # of the median range
_NOISE = 0.15  # correlation of neighbouring pixels
_IMBALANCE = 10.0  # times as many samples in the largest class
_SHOWN = 5


def diagnose(statistics: SampleStatistics) -> list[Finding]:
    """Everything that looks wrong in one set of samples; empty when nothing does."""
    if not statistics.records:
        return []
    return [finding for check in CHECKS for finding in check(statistics)]


def compare(calibration: SampleStatistics, evaluation: SampleStatistics) -> list[Finding]:
    """What looks wrong between the two sets: files in both, ranges that do not match."""
    if not calibration.records or not evaluation.records:
        return []
    return [*shared_files(calibration, evaluation), *different_ranges(calibration, evaluation)]


def likely_range(low: float, high: float) -> tuple[float, float] | None:
    """The common range that values from `low` to `high` fill, if there is one.

    >>> likely_range(-0.98, 1.0)
    (-1.0, 1.0)
    """
    for start, end in COMMON_RANGES:
        slack = _TOLERANCE * (end - start)
        if low >= start - slack and high <= end + slack:
            return start, end
    return None


def unexpected_range(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ301: the model is fed other values than the preset or `expect` says."""
    for position, spec in enumerate(statistics.profile.inputs):
        if spec.expected is None:
            continue
        low, high = statistics.range_of(position)
        start, end = spec.expected
        slack = _TOLERANCE * (end - start)
        outside = low < start - slack or high > end + slack
        enough = len(statistics.records) >= _JUDGED_SAMPLES
        if outside or (enough and high - low < _NARROW * (end - start)):
            worst = max(statistics.records, key=lambda r: _beyond(r, position, start, end))
            yield _warning(
                "CQ301",
                f"{statistics.profile.section}: input {spec.name} is fed values from "
                f"{_range(low, high)}, but {spec.expected_by} means {_range(start, end)}",
                _scaling_advice(spec, low, high),
                [worst.name] if outside else [],
            )


def undeclared_scaling(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ302: pixels are fed as 0 to 255, and nothing says that this is meant."""
    for position, spec in enumerate(statistics.profile.inputs):
        low, high = statistics.range_of(position)
        if spec.scaling_declared or not (spec.from_images or _image_like(spec)):
            continue
        if spec.dtype.startswith("float") and likely_range(low, high) == (0.0, 255.0):
            yield _warning(
                "CQ302",
                f"{statistics.profile.section}: input {spec.name} is fed pixels as they are, "
                f"{_range(low, high)}",
                "most models are trained on [-1, 1] or [0, 1]: say how as `preprocess.preset`, or "
                "`preset: raw` if the model scales by itself"
                if spec.from_images
                else "if the model scales by itself, say `preprocess: {expect: [0, 255]}`",
            )


def constant_samples(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ303: a sample holds one value only, or next to nothing."""
    for position, spec in enumerate(statistics.profile.inputs):
        typical = median(_width(r, position) for r in statistics.records)
        flat = [r for r in statistics.records if _width(r, position) <= _CONSTANT * typical]
        if flat and max(spec.shape) > 1:
            yield _warning(
                "CQ303",
                f"{statistics.profile.section}: {_files(flat)} hold one value only "
                f"(input {spec.name})",
                "black images and silent clips teach nothing, and can stretch a range: remove them",
                [r.name for r in flat],
            )


def duplicates(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ304: samples with the same content."""
    same: defaultdict[str, list[str]] = defaultdict(list)
    for record in statistics.records:
        same[record.digest].append(record.name)
    groups = sorted(sorted(names) for names in same.values() if len(names) > 1)
    if groups:
        extra = sum(len(names) - 1 for names in groups)
        shown = "; ".join(" = ".join(names[:3]) for names in groups[:_SHOWN])
        yield _warning(
            "CQ304",
            f"{statistics.profile.section}: {plural(extra, 'sample')} of "
            f"{len(statistics.records):,} there more than once: {shown}",
            "copies add weight but no knowledge: remove them",
            [groups[0][0]],
        )


def noise(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ305: images that look like pure noise."""
    noisy = [r for r in statistics.records if r.texture is not None and r.texture < _NOISE]
    if noisy:
        yield _warning(
            "CQ305",
            f"{statistics.profile.section}: {_files(noisy)} look like noise: neighbouring pixels "
            "have nothing in common",
            "random data does not stand for real data; if the files are real, they may have been "
            "read with a wrong shape or byte order",
            [r.name for r in noisy],
        )


def outliers(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ306: a sample reaches much further than most; with min/max it sets the scale alone."""
    if statistics.profile.section != "calibration":
        return  # only calibration sets scales
    for position, spec in enumerate(statistics.profile.inputs):
        if max(spec.shape) == 1:
            continue
        width = median(_width(r, position) for r in statistics.records)
        reach = median(_reach(r, position) for r in statistics.records)
        far = [
            r
            for r in statistics.records
            if (_width(r, position) > _OUTLIER * width or _reach(r, position) > _OUTLIER * reach)
            and not _within(r, position, spec.expected)
        ]
        # Where "most" are not alike, the median says nothing.
        if far and width > 0 and len(far) <= len(statistics.records) / 4:
            low = min(r.low[position] for r in far)
            high = max(r.high[position] for r in far)
            yield _warning(
                "CQ306",
                f"{statistics.profile.section}: {_files(far)} reach from {_range(low, high)} "
                f"(input {spec.name}), where a typical sample spans {width:.4g}",
                "a few such samples cost the others their resolution: look at them, remove them, "
                "or choose a calibration method that clips",
                [r.name for r in far],
            )


def class_imbalance(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ307: some classes have far fewer samples than others."""
    counts = statistics.classes()
    if len(counts) < 2:
        return
    most = max(counts.values())
    rare = {label: count for label, count in counts.items() if count * _IMBALANCE <= most}
    if rare:
        shown = ", ".join(f"class {label}: {count}" for label, count in list(rare.items())[:_SHOWN])
        yield _warning(
            "CQ307",
            f"{statistics.profile.section}: few samples in {len(rare)} of {len(counts)} classes "
            f"({shown}), the largest has {most}",
            "accuracy then speaks of the large classes, and ranges may miss the small ones",
        )


def skipped_files(statistics: SampleStatistics) -> Iterator[Finding]:
    """CQ310: files were left out, as `max_bad_files` allows."""
    bad = statistics.bad_files
    if bad:
        yield _warning(
            "CQ310",
            f"{statistics.profile.section}: {plural(len(bad), 'file')} left out: "
            + "; ".join(item.reason for item in bad[:_SHOWN]),
            "mend or remove them",
            [item.name for item in bad],
        )


def shared_files(calibration: SampleStatistics, evaluation: SampleStatistics) -> Iterator[Finding]:
    """CQ308: the same content in the calibration and the evaluation data."""
    known = {record.digest: record for record in calibration.records}
    shared = [record for record in evaluation.records if record.digest in known]
    if shared:
        pairs = ", ".join(
            f"{known[r.digest].name}" + (f" = {r.name}" if r.name != known[r.digest].name else "")
            for r in shared[:_SHOWN]
        )
        yield _warning(
            "CQ308",
            f"{len(shared)} of {len(evaluation.records)} evaluation samples were used for "
            f"calibration, too: {pairs}",
            "measured accuracy is then better than in use: keep the two sets apart",
            [r.name for r in shared],
        )


def different_ranges(
    calibration: SampleStatistics, evaluation: SampleStatistics
) -> Iterator[Finding]:
    """CQ309: the two sets are scaled differently."""
    if min(len(calibration.records), len(evaluation.records)) < _JUDGED_SAMPLES:
        return
    for position, spec in enumerate(calibration.profile.inputs):
        ranges = [s.range_of(position) for s in (calibration, evaluation)]
        likely = [likely_range(*r) for r in ranges]
        widths = sorted(_typical_width(s, position) for s in (calibration, evaluation))
        # One alone is no proof: the sets may differ in contrast, or by a single outlier.
        if likely[0] != likely[1] and widths[1] > 1.5 * widths[0]:
            yield _warning(
                "CQ309",
                f"input {spec.name} is fed values from {_range(*ranges[0])} in calibration, but "
                f"from {_range(*ranges[1])} in evaluation",
                "both must be scaled in the way of the model's training",
            )


CHECKS: tuple[Check, ...] = (
    unexpected_range,
    undeclared_scaling,
    constant_samples,
    duplicates,
    noise,
    outliers,
    class_imbalance,
    skipped_files,
)


def _scaling_advice(spec: InputProfile, low: float, high: float) -> str:
    likely = likely_range(low, high)
    if likely == (0.0, 255.0) and spec.from_images:
        return "the pixels are not scaled: check `scale`, `mean` and `std` beside the preset"
    fix = "check `scale`, `mean` and `std`" if spec.from_images else "scale the arrays"
    return f"{fix}, or correct {spec.expected_by} if the model is trained on these values"


def _image_like(spec: InputProfile) -> bool:
    return len(spec.shape) == 4 and spec.shape[3] in (1, 3) and min(spec.shape[1:3]) >= 16


def _width(record: Record, position: int) -> float:
    return record.high[position] - record.low[position]


def _reach(record: Record, position: int) -> float:
    return max(abs(record.low[position]), abs(record.high[position]))


def _typical_width(statistics: SampleStatistics, position: int) -> float:
    return median(_width(record, position) for record in statistics.records)


def _beyond(record: Record, position: int, start: float, end: float) -> float:
    return max(start - record.low[position], record.high[position] - end)


def _within(record: Record, position: int, expected: tuple[float, float] | None) -> bool:
    return expected is not None and _beyond(record, position, *expected) <= 0


def _range(low: float, high: float) -> str:
    return f"{low:.4g} to {high:.4g}"


def _files(records: Iterable[Record]) -> str:
    names = sorted(record.name for record in records)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _warning(id_: str, message: str, advice: str, samples: Iterable[str] = ()) -> Finding:
    first = min(samples, default=None)
    return Finding(id_, Severity.WARNING, message, advice, sample=first)
