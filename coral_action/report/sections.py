"""Sections of a model's report that not every run fills: chip, calibrators, layers, data."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt

from coral_action.report.base import Data, Fraction, Picture


class TriedCalibrator(Data):
    """One way to choose ranges, measured on a part of the calibration data.

    `sqnr_db` is the signal-to-quantization-noise ratio of the outputs, in dB: higher is better;
    absent where nothing differs. `agreement` is absent where outputs are no classes.
    """

    calibrator: str
    sqnr_db: float | None = None
    agreement: Fraction | None = None
    chosen: bool = False


class TensorBytes(Data):
    """A tensor and its size."""

    name: str
    bytes: NonNegativeInt


class EdgeTpuData(Data):
    """What the model asks of the Edge TPU, from the compiler or as estimated before it.

    Bytes: `on_chip_bytes` of parameters kept on the chip, `on_chip_free_bytes` left there,
    `off_chip_bytes` of parameters streamed over the bus at each inference, `scratch_bytes` of host
    memory for activations. `latency_ms` is an estimate; the truth is between low and high.
    """

    compiler_version: str | None = None
    runtime_version: int | None = None  # the oldest runtime that runs the compiled file
    on_chip_bytes: NonNegativeInt | None = None
    on_chip_free_bytes: NonNegativeInt | None = None
    off_chip_bytes: NonNegativeInt | None = None
    scratch_bytes: NonNegativeInt | None = None
    macs: NonNegativeInt | None = None  # multiply-accumulates of one inference
    latency_ms: float | None = Field(None, ge=0)
    latency_low_ms: float | None = Field(None, ge=0)
    latency_high_ms: float | None = Field(None, ge=0)
    latency_source: str | None = None  # what the estimate goes by
    activations: list[TensorBytes] = Field(default_factory=list)  # largest first
    notes: list[str] = Field(default_factory=list)


class Histogram(Data):
    """Counts in bins of equal width from `low` to `high`; int8 covers `int8_low`..`int8_high`."""

    low: float
    high: float
    counts: list[NonNegativeInt] = Field(min_length=1, max_length=256)
    int8_low: float | None = None
    int8_high: float | None = None


class LayerData(Data):
    """How much one layer loses: SQNR in dB between its float and its int8 values.

    No `sqnr_db`: nothing was lost. The histograms are of the float values.
    """

    name: str
    operator: str | None = None
    index: int | None = None  # of the operator that makes it, as in `placement.operators`
    sqnr_db: float | None = None
    activations: Histogram | None = None
    weights: Histogram | None = None


class TensorData(Data):
    """An input or output of the int8 model: real = scale * (stored - zero_point)."""

    name: str
    shape: list[int]
    dtype: str
    scale: float | None = None
    zero_point: int | None = None


class ImageData(Data):
    """How an input is made from an image: (pixel - mean) / std, by channel in order of `color`."""

    input: str
    color: Literal["gray", "rgb", "bgr"]
    filter: Literal["nearest", "bilinear", "bicubic", "area"] = "bilinear"  # that resizes it
    mean: list[float]
    std: list[float]


class InterfaceData(Data):
    """What the int8 model takes and gives; `detector` if it ends with detections."""

    inputs: list[TensorData]
    outputs: list[TensorData]
    images: list[ImageData] = Field(default_factory=list)
    detector: bool = False


class DataFile(Data):
    """One file that was used."""

    name: str
    sha256: str | None = None


class ChannelData(Data):
    """What the model was fed, channel by channel, after preprocessing."""

    name: str
    low: float
    high: float
    mean: float
    std: float


class DataSetData(Data):
    """The samples that were used: how many, which, and what they look like to the model.

    `sha256` is over the names and contents of all of them. `sheet` is a picture of some.
    """

    count: NonNegativeInt
    available: NonNegativeInt | None = None  # of so many, where a part was chosen
    source: str | None = None  # such as `images: data/calibration`
    seed: int | None = None
    sha256: str | None = None
    files: list[DataFile] = Field(default_factory=list)
    channels: list[ChannelData] = Field(default_factory=list)
    sheet: Picture | None = None
