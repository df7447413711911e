"""What quantization hands on: the int8 model and all that the report says about how it came."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from coral_action.data import SampleStatistics
from coral_action.findings import Finding
from coral_action.quantization.layer_error import LayerError
from coral_action.quantization.selection import Trial
from coral_action.tflite import TfliteModel, read_model

_FILES = ("path", "model", "float_outputs")


@dataclass(frozen=True)
class Int8Model:
    """A verified full-integer model and how it came about."""

    path: Path
    model: TfliteModel
    calibrator: str  # the one that was used: `percentile 99.9` where auto chose that
    samples: int
    io: str  # dtype of inputs and outputs
    bias_correction: bool
    findings: tuple[Finding, ...]
    seconds: dict[str, float]  # by stage: calibration, quantization
    equalization: bool = False
    bias_correction_gain: float | None = None  # dB of output SQNR on held-out samples, if measured
    equalization_gain: float | None = None
    tried: tuple[Trial, ...] = ()  # what auto tried, the baseline first; empty without auto
    why: str = ""  # why auto chose it, in one sentence
    layer_errors: tuple[LayerError, ...] = ()  # the worst ten, the worst first
    rewrites: tuple[str, ...] = ()  # what was written in an older form, one line each
    float_outputs: Path | None = None  # .npz: `names` (N,), `output:<name>` (N, *shape)
    statistics: SampleStatistics | None = None  # of the calibration samples, as the model was fed
    sheet: str | None = None  # a picture of some calibration samples, a data URI
    workers: int = field(default=1, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain data, without what is in files."""
        data = {name: value for name, value in vars(self).items() if name not in _FILES}
        for name in ("findings", "tried", "layer_errors"):
            data[name] = [asdict(item) for item in data[name]]
        data["statistics"] = self.statistics and self.statistics.to_json()
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any], path: Path) -> Int8Model:
        """The inverse of `to_json`, with the model from its file.

        Raises:
            ModelError: if the file is no model.
        """
        statistics = data["statistics"]
        made = {
            **data,
            "findings": tuple(map(Finding.from_json, data["findings"])),
            "tried": tuple(Trial(**trial) for trial in data["tried"]),
            "layer_errors": tuple(map(LayerError.from_json, data["layer_errors"])),
            "rewrites": tuple(data["rewrites"]),
            "statistics": statistics and SampleStatistics.from_json(statistics),
        }
        return cls(path=path, model=read_model(path), **made)
