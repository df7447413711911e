"""The report as plain data: what report.json holds. No renderer computes, nothing here renders."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from coral_action.errors import UsageError, error_classes, worst_exit_code
from coral_action.findings import Severity
from coral_action.report.base import Data as _Data
from coral_action.report.base import Fraction, Picture
from coral_action.report.comparison import Comparison
from coral_action.report.gates import GatesData
from coral_action.report.sections import (
    DataSetData,
    EdgeTpuData,
    InterfaceData,
    LayerData,
    TriedCalibrator,
)

SCHEMA_VERSION: Literal[1] = 1

Status = Literal["ok", "limit_exceeded", "failed"]


class ErrorData(_Data):
    """Why a model failed."""

    kind: str
    message: str
    hint: str = ""
    topic: Annotated[str, Field(pattern=r"^[a-z0-9-]{0,60}$")] = ""  # of docs/troubleshooting.md


class SourceData(_Data):
    """The float model as it was found; the hash of a folder covers names and contents."""

    path: str
    format: str = ""
    sha256: str = ""


class SizeData(_Data):
    """Sizes in bytes: the model as a float .tflite, quantized, and compiled."""

    float_bytes: int
    int8_bytes: int
    edgetpu_bytes: int | None = None


class QuantizationData(_Data):
    """How the int8 model was made.

    Gains are in dB of output SQNR on calibration samples, absent where nothing was measured; `why`
    says why that calibrator was chosen, `rewrites` what was written in an older form.
    """

    calibrator: str
    samples: int
    io: str
    bias_correction: bool
    seconds: float
    bias_correction_gain_db: float | None = None
    equalization: bool | None = None
    equalization_gain_db: float | None = None
    why: str | None = None
    rewrites: list[str] | None = None
    tried: list[TriedCalibrator] = Field(default_factory=list)


class OperatorData(_Data):
    """Where one operator runs.

    `inputs` are the indices of the operators whose results it reads, `tensor` names what it makes,
    `rule` is the id of the finding behind the reason.
    """

    index: int
    name: str
    target: Literal["edge_tpu", "cpu"]
    reason: str | None = None
    advice: str | None = None
    rule: str | None = None
    tensor: str | None = None
    inputs: list[int] = Field(default_factory=list)


class PlacementData(_Data):
    """Where the operators run: counts and each of them."""

    origin: Literal["compiler", "predicted"]
    edge_tpu: int
    cpu: int
    subgraphs: int
    operators: list[OperatorData]


class MetricData(_Data):
    """One metric: fractions from 0 to 1 (`unit` fraction), or numbers in the labels' unit (value).

    `float` and `drop` are absent where a model was integer already and no reference was named.
    `drop` is what int8 lost, positive for a loss: percentage points, or the metric's own unit.
    `interval` holds it at the level `confidence`; `p_value` is that of McNemar's exact test.
    """

    name: str
    float_value: float | None = Field(None, alias="float")
    int8_value: float = Field(alias="int8")
    drop: float | None = None
    unit: Literal["fraction", "value"] = "fraction"
    higher_is_better: bool = True
    interval: tuple[float, float] | None = None
    confidence: Fraction = 0.95
    p_value: Fraction | None = None


class FlipData(_Data):
    """A sample for which float and int8 choose different classes; `thumbnail` is a data URI."""

    sample: str
    kind: Literal["lost", "gained", "changed"]
    label: str | None = None
    float_choice: str
    int8_choice: str
    float_score: float
    int8_score: float
    loss: float
    thumbnail: Picture | None = None


class FlipsData(_Data):
    """How many samples changed each way, and the worst of them first."""

    lost: int
    gained: int
    changed: int
    worst: list[FlipData] = Field(default_factory=list)


class ClassLossData(_Data):
    """Recall of one class with float and with int8; `drop` in percentage points."""

    name: str
    samples: int
    float_recall: Fraction = Field(alias="float")
    int8_recall: Fraction = Field(alias="int8")
    drop: float


class ConfusionData(_Data):
    """Counts of samples by true class (row) and chosen class (column)."""

    classes: list[str]
    float_counts: list[list[int]] = Field(alias="float")
    int8_counts: list[list[int]] = Field(alias="int8")


class OutputErrorData(_Data):
    """How far an output of int8 is from float's; no `sqnr_db` where nothing differs."""

    name: str
    cosine: float
    sqnr_db: float | None = None
    largest_error: float


class KernelCheckData(_Data):
    """The int8 model with two kinds of kernels: in how many samples the result differs."""

    kernels: str
    other: str
    samples: int
    different: int
    largest_error: float


class ReferenceCheckData(_Data):
    """The reference (`original`, or a file) held against the float .tflite."""

    reference: str
    samples: int
    agreement: Fraction | None = None
    cosine: float
    largest_error: float


class AccuracyData(_Data):
    """Float against int8 on the evaluation data.

    `labels` has the names of all classes in order, where they are known.
    `agreement` is absent where outputs are no classes. `classes` has those that lost most first.
    """

    samples: int
    agreement: Fraction | None = None
    kernels: str
    metrics: list[MetricData]
    reference: str = "float"
    labels: list[str] | None = None
    flips: FlipsData | None = None
    classes: list[ClassLossData] = Field(default_factory=list)
    confusion: ConfusionData | None = None
    outputs: list[OutputErrorData] = Field(default_factory=list)
    kernel_check: KernelCheckData | None = None
    reference_check: ReferenceCheckData | None = None
    structural: bool = False


class FindingData(_Data):
    """One finding (see `coral_action.findings.Finding`)."""

    id: str
    severity: Severity
    message: str
    advice: str | None = None
    file: str | None = None
    line: int | None = None
    operator: str | None = None
    tensor: str | None = None
    sample: str | None = None


class LimitData(_Data):
    """One limit of coral.yml: bytes for sizes, percentage points for drops, else counts.

    With `confidence`, `value` is not the drop but the lower end of its interval at that level.
    Without `value`, it could not be measured, and has not passed.
    """

    name: str
    limit: float
    value: float | None = None
    passed: bool
    confidence: Fraction | None = None
    line: int | None = None  # in coral.yml


class FileData(_Data):
    """Paths of the files that were made."""

    int8: str | None = None
    edgetpu: str | None = None
    edgetpu_log: str | None = None
    labels: str | None = None  # class names, one a line


class ShardData(_Data):
    """That this is one shard of a model's evaluation, which `merge` joins with the others.

    What was measured is in `file`, beside the report, unless the model failed; `lines` has the
    limits' lines in coral.yml. Shard 0 has no samples, only the model for the others.
    """

    index: int = Field(ge=0)
    count: int = Field(ge=1)
    int8_sha256: str = ""
    file: str = ""
    sha256: str = ""
    samples: int = 0
    lines: dict[str, int] = Field(default_factory=dict)


class ConfigData(_Data):
    """The coral.yml of a run: SHA-256 of what it says (not of its text), and all its models.

    `ignore` has the ids of findings that it silences.
    """

    sha256: str
    models: list[str]
    ignore: list[str] = Field(default_factory=list)


class ModelReport(_Data):
    """Everything about one model; parts that were not reached are absent."""

    name: str
    status: Status
    error: ErrorData | None = None
    source: SourceData
    sizes: SizeData | None = None
    quantization: QuantizationData | None = None
    placement: PlacementData | None = None
    accuracy: AccuracyData | None = None
    findings: list[FindingData] = Field(default_factory=list)
    limits: list[LimitData] = Field(default_factory=list)
    files: FileData = Field(default_factory=FileData)
    seconds: dict[str, float] = Field(default_factory=dict)
    line: int | None = None  # where the model begins in coral.yml
    edge_tpu: EdgeTpuData | None = None
    layers: list[LayerData] = Field(default_factory=list)  # those that lose most first
    calibration: DataSetData | None = None
    evaluation_data: DataSetData | None = None
    interface: InterfaceData | None = None
    reproduce: str | None = None  # one command line that does it again
    config_sha256: str | None = None  # of the model's part of coral.yml
    shard: ShardData | None = None
    carried_over: Literal[True] | None = None  # from the baseline: nothing it depends on changed
    from_cache: list[str] | None = None  # stages whose result was kept from before

    @property
    def exit_code(self) -> int:
        """What this model contributes to the exit code."""
        if self.error is not None:
            found = error_classes().get(self.error.kind)
            return found.exit_code if found else 3
        return 1 if self.status == "limit_exceeded" else 0


class Report(_Data):
    """A whole run."""

    schema_version: Literal[1] = SCHEMA_VERSION
    tool: dict[str, str]
    models: list[ModelReport]
    created: str | None = Field(None, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
    config_file: str | None = None  # coral.yml, relative to the repository
    config: ConfigData | None = None
    baseline: Comparison | None = None
    gates: GatesData | None = None

    @property
    def versions(self) -> dict[str, str]:
        """Of the tools that shape the results; how child processes were kept is none of these."""
        return {name: version for name, version in self.tool.items() if name != "sandbox"}

    @property
    def exit_code(self) -> int:
        """The worst of the models' exit codes."""
        return worst_exit_code(model.exit_code for model in self.models)

    @property
    def passed(self) -> bool:
        """Whether every model was made and every limit holds."""
        return all(model.status == "ok" for model in self.models)

    def to_json(self) -> dict[str, Any]:
        """Plain data with the documented names; absent parts are left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    @classmethod
    def read(cls, path: Path) -> Report:
        """A report from its file, of this schema version or an older one.

        Raises:
            UsageError: if it can't be read or is no report.
        """
        try:
            return cls.from_data(json.loads(path.read_bytes()))
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{path}: no report: {_first_line(error)}",
                hint="`coral-quantize run` writes report.json",
            ) from error

    @classmethod
    def from_data(cls, data: Any) -> Report:
        """A report from plain data, of this schema version or an older one.

        Raises:
            ValueError: if it is no report; a pydantic ValidationError is one.
        """
        if not isinstance(data, dict):
            raise ValueError("it holds no mapping")
        version = data.get("schema_version")
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ValueError(
                f"schema version {version} is newer than {SCHEMA_VERSION}, the newest known here"
            )
        while isinstance(version, int) and version in UPGRADES:
            data = UPGRADES[version](data)
            version = data["schema_version"]
        return cls.model_validate(data)


# From a schema version to a function that makes of its data those of the next version.
UPGRADES: dict[Any, Callable[[dict[str, Any]], dict[str, Any]]] = {}


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        return f"{where}: {first['msg']}"
    return str(error) or type(error).__name__
