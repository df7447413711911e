"""Running samples through the instrumented float model."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from coral_action.data import Sample
from coral_action.errors import DataError
from coral_action.inference import Runner
from coral_action.isolation import ProgressCallback
from coral_action.quantization.observation.histogram import Histograms
from coral_action.quantization.observation.instrument import Instrumented, instrument
from coral_action.quantization.observation.observed import Floats, Observed
from coral_action.tflite import TfliteModel, read_model

# Values that a histogram takes from one tensor in one sample, in runs of neighbours: enough for
# the 0.1 % tails after 100 samples, few enough to cost less than finding the minimum and maximum.
_VALUES = 1024
_RUN = 64
_SAMPLES_AT_ONCE = 16


def observe(
    content: bytes,
    samples: Iterable[Sample],
    *,
    total: int,
    bins: int | None = None,
    progress: ProgressCallback = lambda done, total: None,
) -> Observed:
    """Run the samples through a float model and watch every float activation.

    Args:
        content: the float .tflite.
        samples: what to run.
        total: how many there are, for `progress`.
        bins: also fill histograms with this many bins on each side of zero.
        progress: called with (done, total).

    Raises:
        DataError: if a sample drives a tensor to NaN or infinity.
    """
    model = read_model(content)
    instrumented = instrument(content)
    watcher = _Watcher(model, instrumented, bins)
    names: list[str] = []
    positions: list[int] = []
    outputs: dict[str, list[Floats]] = {name: [] for name in model.output_names()}
    low: list[Floats] = []
    high: list[Floats] = []
    for done, sample in enumerate(samples):
        results = watcher.run(sample)
        for name, value in results.items():
            outputs[name].append(value)
        smallest, largest = watcher.ranges(sample.name)
        low.append(smallest)
        high.append(largest)
        names.append(sample.name)
        positions.append(sample.position)
        watcher.count(sample.position)
        progress(done + 1, total)
    shape = (0, len(instrumented.watched))
    return Observed(
        instrumented.watched,
        np.stack(low) if low else np.zeros(shape, np.float32),
        np.stack(high) if high else np.zeros(shape, np.float32),
        watcher.histograms(),
        {
            name: np.stack(values) if values else _none(model, name)
            for name, values in outputs.items()
        },
        tuple(names),
        tuple(positions),
    )


def _none(model: TfliteModel, name: str) -> Floats:
    tensor = model.tensors[model.output_names()[name]]
    return np.zeros((0, *tensor.shape), dtype=tensor.dtype)


class _Watcher:
    """The instrumented model at work."""

    def __init__(self, model: TfliteModel, instrumented: Instrumented, bins: int | None) -> None:
        self._model = model
        self._watched = instrumented.watched
        self._extremes = instrumented.extremes
        self._low, self._high, self._padded, self._finite = (
            np.array(places, dtype=np.intp)
            for places in (
                instrumented.low,
                instrumented.high,
                instrumented.padded,
                tuple(instrumented.finite),
            )
        )
        self._summed = tuple(instrumented.finite.values())
        self._runner = Runner(
            instrumented.content,
            model.input_names(),
            model.output_names(),
            keep_all_tensors=bins is not None,
        )
        self._histograms = Histograms.empty(len(self._watched), bins) if bins else None
        self._views = [self._runner.view(i) for i in self._watched] if bins else []
        shape = (len(self._watched), _SAMPLES_AT_ONCE, _VALUES)
        self._values = np.zeros(shape if bins else 0, dtype=np.float32)
        self._padding = np.zeros(len(self._watched), dtype=np.int64)
        self._filled = 0

    def run(self, sample: Sample) -> dict[str, Floats]:
        return self._runner.run(sample.inputs)

    def ranges(self, sample: str) -> tuple[Floats, Floats]:
        """Minimum and maximum of each watched tensor for the sample that was run last."""
        values = self._runner.value(self._extremes)
        low = np.where(self._low < 0, np.float32(0), values[self._low])
        high = values[self._high]
        if not np.isfinite(values).all():
            raise self._not_finite(sample, values)
        low[self._padded] = np.minimum(low[self._padded], 0)
        high[self._padded] = np.maximum(high[self._padded], 0)
        # Where the minimum was not looked for, it is at most the maximum.
        return np.minimum(low, high), high

    def _not_finite(self, sample: str, values: Floats) -> DataError:
        bad = ~np.isfinite(values)
        tensors = [self._summed[i] for i in np.flatnonzero(bad[self._finite])]
        tensors += [self._watched[i] for i in np.flatnonzero((self._low >= 0) & bad[self._low])]
        tensors += [self._watched[i] for i in np.flatnonzero(bad[self._high])]
        return DataError(
            f"calibration: {sample} makes the float model's tensor "
            f"{self._model.tensors[min(tensors)].name} NaN or infinite",
            hint="the float model itself fails on this sample: check its preprocessing",
            topic="nan-in-samples",
        )

    def count(self, position: int) -> None:
        """Put a part of every tensor's values, chosen by the sample's position, into histograms."""
        if self._histograms is None:
            return
        for row, view in enumerate(self._views):
            part = _part(view().reshape(-1), position)
            self._values[row, self._filled, : len(part)] = part
            if len(part) < _VALUES:
                self._values[row, self._filled, len(part) :] = 0
                self._padding[row] += _VALUES - len(part)
        self._filled += 1
        if self._filled == _SAMPLES_AT_ONCE:
            self._flush()

    def histograms(self) -> Histograms | None:
        self._flush()
        return self._histograms

    def _flush(self) -> None:
        if self._histograms is not None and self._filled:
            values = self._values[:, : self._filled]
            self._histograms.add(values.reshape(len(values), -1), self._padding)
            self._padding[:] = 0
        self._filled = 0


def _part(values: Floats, position: int) -> Floats:
    """At most _VALUES of a tensor's values: evenly spaced runs that shift from sample to sample."""
    if values.size <= _VALUES:
        return values
    runs = values[: values.size // _RUN * _RUN].reshape(-1, _RUN)
    wanted = _VALUES // _RUN
    # An odd stride meets all channels: their number divides by two more often than not.
    stride = max(len(runs) // wanted, 1) | 1
    chosen = (np.arange(wanted) * stride + position * 7919) % len(runs)
    return runs[chosen].reshape(-1)
