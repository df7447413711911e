"""What the model is really fed: collected sample by sample on the way, merged between workers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from coral_action.data.samples import (
    Array,
    BadFile,
    InputProfile,
    Profile,
    Sample,
    Samples,
    manifest,
    nothing_decoded,
    refused_bad_files,
)

# Samples whose channels and texture are looked at, the first of the whole set, so that no figure
# depends on how the set was shared out; the range is of all of them.
DETAILED = 200
# Pixels of a sample that the statistics of its channels are taken over.
_CHANNEL_PIXELS = 16384
# Side of the part in the middle of an image whose texture is looked at.
_TEXTURE_SIDE = 64


@dataclass(frozen=True)
class Channels:
    """Sums over the elements looked at of each channel of one input."""

    count: int
    low: list[float]
    high: list[float]
    total: list[float]
    squares: list[float]

    @classmethod
    def sum_of(cls, parts: Sequence[Channels]) -> Channels:
        """Of all samples; sums are rounded once (`math.fsum`), so that no order changes them."""
        return cls(
            sum(part.count for part in parts),
            [min(values) for values in zip(*(part.low for part in parts), strict=True)],
            [max(values) for values in zip(*(part.high for part in parts), strict=True)],
            [math.fsum(values) for values in zip(*(part.total for part in parts), strict=True)],
            [math.fsum(values) for values in zip(*(part.squares for part in parts), strict=True)],
        )

    def facts(self) -> list[dict[str, float]]:
        """Smallest and largest value, mean and (population) standard deviation by channel."""
        facts = []
        for low, high, total, squares in zip(
            self.low, self.high, self.total, self.squares, strict=True
        ):
            mean = total / self.count
            deviation = max(squares / self.count - mean * mean, 0.0) ** 0.5
            facts.append({"low": low, "high": high, "mean": mean, "std": deviation})
        return facts


@dataclass(frozen=True)
class Record:
    """One sample: its smallest and largest value by input, and what noise looks like in it.

    `texture` is the correlation of neighbouring pixels, the lower of the vertical and horizontal
    one, where an input looks like an image: near 1 for photographs, near 0 for white noise.
    """

    name: str
    digest: str
    label: int | None
    low: tuple[float, ...]
    high: tuple[float, ...]
    texture: float | None = None
    position: int = 0  # among all samples of the set
    channels: tuple[Channels, ...] = ()  # by input, of the samples that are looked at in detail


@dataclass
class SampleStatistics:
    """Statistics of the samples that were added; plain data that goes to JSON and back."""

    profile: Profile
    records: list[Record] = field(default_factory=list)
    bad_files: list[BadFile] = field(default_factory=list)

    def add(self, sample: Sample) -> None:
        """Look at one sample; costs well under a millisecond."""
        detailed = sample.position < DETAILED
        lows, highs, textures, channels = [], [], [], []
        for spec in self.profile.inputs:
            values = sample.inputs[spec.name]
            extent = sample.extents.get(spec.name)
            low, high = extent or (float(values.min()), float(values.max()))
            lows.append(low)
            highs.append(high)
            if detailed:
                channels.append(_channels(values))
                textures.append(_texture(values))
        known = [texture for texture in textures if texture is not None]
        self.records.append(
            Record(
                sample.name,
                sample.digest,
                sample.label if isinstance(sample.label, int) else None,
                tuple(lows),
                tuple(highs),
                min(known, default=None),
                sample.position,
                tuple(channels),
            )
        )

    def watching(self, samples: Samples) -> Iterator[Sample]:
        """The same samples, each added as it passes by, and at the end the files left out."""
        for sample in samples:
            self.add(sample)
            yield sample
        self.add_bad_files(samples.bad_files)

    def add_bad_files(self, bad_files: Sequence[BadFile]) -> None:
        """Take in `Samples.bad_files` after an iteration."""
        self.bad_files += bad_files

    def merge(self, other: SampleStatistics) -> None:
        """Take in what another worker saw of the same set."""
        self.records = sorted([*self.records, *other.records], key=lambda r: r.position)
        self.bad_files = sorted([*self.bad_files, *other.bad_files], key=lambda bad: bad.name)

    def refuse_bad_files(self) -> None:
        """Hold all workers together to `max_bad_files`.

        Raises:
            DataError: if there are more.
        """
        if len(self.bad_files) > self.profile.max_bad_files:
            raise refused_bad_files(self.profile, self.bad_files)

    def range_of(self, position: int) -> tuple[float, float]:
        """Smallest and largest value of the n-th input over all samples."""
        return (
            min(record.low[position] for record in self.records),
            max(record.high[position] for record in self.records),
        )

    def classes(self) -> dict[int, int]:
        """Number of samples by class, in the order of classes."""
        counted = Counter(r.label for r in self.records if r.label is not None)
        return dict(sorted(counted.items()))

    def manifest(self) -> dict[str, Any]:
        """The samples that were used by name and content, as `Samples.manifest`."""
        return manifest([(record.name, record.digest) for record in self.records])

    def facts(self) -> dict[str, Any]:
        """For the report: what was fed, as plain data; nothing in it is a judgement."""
        return {
            "section": self.profile.section,
            "samples": len(self.records),
            "inputs": [
                self._input_facts(position, spec)
                for position, spec in enumerate(self.profile.inputs)
                if self.records
            ],
            "classes": {str(label): count for label, count in self.classes().items()},
            "bad_files": [asdict(bad) for bad in self.bad_files],
            "manifest": self.manifest(),
        }

    def _input_facts(self, position: int, spec: InputProfile) -> dict[str, Any]:
        low, high = self.range_of(position)
        expected = list(spec.expected) if spec.expected else None
        looked_at = [record.channels[position] for record in self.records if record.channels]
        channels = Channels.sum_of(looked_at).facts() if looked_at else []
        return {
            "name": spec.name,
            "shape": list(spec.shape),
            "dtype": spec.dtype,
            "low": low,
            "high": high,
            "color": spec.color,
            "expected": expected,
            "expected_by": spec.expected_by or None,
            "channels": channels,
        }

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to another process."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> SampleStatistics:
        """The inverse of `to_json`."""
        profile = data["profile"]
        inputs = tuple(
            InputProfile(
                **{
                    **item,
                    "shape": tuple(item["shape"]),
                    "expected": item["expected"] and tuple(item["expected"]),
                }
            )
            for item in profile["inputs"]
        )
        return cls(
            Profile(profile["section"], inputs, profile["max_bad_files"]),
            [
                Record(
                    **{
                        **item,
                        "low": tuple(item["low"]),
                        "high": tuple(item["high"]),
                        "channels": tuple(Channels(**sums) for sums in item["channels"]),
                    }
                )
                for item in data["records"]
            ],
            [BadFile(**item) for item in data["bad_files"]],
        )


def merged(parts: Sequence[SampleStatistics]) -> SampleStatistics:
    """The statistics of a set whose samples several workers saw.

    Raises:
        DataError: if all of them together met more bad files than `max_bad_files`, or no good one.
    """
    whole = SampleStatistics(parts[0].profile)
    for part in parts:
        whole.merge(part)
    whole.refuse_bad_files()
    if whole.bad_files and not whole.records:
        raise nothing_decoded(whole.profile, whole.bad_files)
    return whole


def _channels(values: Array) -> Channels:
    """Sums by channel: the last of four axes if it has at most 4 elements, else all is one.

    Of a large image only every n-th row is taken, so that the cost has a bound.
    """
    count = values.shape[-1] if values.ndim == 4 and values.shape[-1] <= 4 else 1
    if values.ndim == 4:
        values = values[:, :: -(-values[0, ..., 0].size // _CHANNEL_PIXELS)]
    # One row a channel: numpy is slow where the last axis is short.
    rows = np.ascontiguousarray(values.reshape(-1, count).T)
    return Channels(
        rows.shape[1],
        [float(low) for low in rows.min(axis=1)],
        [float(high) for high in rows.max(axis=1)],
        [float(total) for total in rows.sum(axis=1, dtype=np.float64)],
        # float32 products are exact enough for facts
        [float(np.einsum("i,i", row, row)) for row in rows.astype(np.float32, copy=False)],
    )


def _texture(values: Array) -> float | None:
    """Correlation of neighbouring pixels in the middle of an image; None if it is no image."""
    if values.ndim != 4 or min(values.shape[1:3]) < 16 or values.shape[3] > 4:
        return None
    top, left = (max(0, (side - _TEXTURE_SIDE) // 2) for side in values.shape[1:3])
    part = values[0, top : top + _TEXTURE_SIDE, left : left + _TEXTURE_SIDE, 0].astype(np.float64)
    part = part - part.mean()
    power = float(np.mean(part * part))
    if power == 0:
        return None  # constant, which is found otherwise
    across = float(np.mean(part[:, 1:] * part[:, :-1]))
    down = float(np.mean(part[1:] * part[:-1]))
    return min(across, down) / power
