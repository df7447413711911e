"""What an evaluation finds, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter

from coral_action.data import SampleStatistics
from coral_action.findings import Finding

Unit = Literal["fraction", "value"]
FlipKind = Literal["lost", "gained", "changed"]


@dataclass(frozen=True)
class Metric:
    """One metric with the float and with the int8 model.

    `unit` is `fraction` (0 to 1, shown as a percentage) or `value` (in the unit of the labels).
    `interval` holds the drop at the level `confidence`, paired by sample. `p_value` is that of
    McNemar's exact test (two-sided), for metrics that say right or wrong of each sample.
    `float_value` is None where there is nothing to compare with: then no loss is known.
    """

    name: str
    float_value: float | None
    int8_value: float
    unit: Unit = "fraction"
    higher_is_better: bool = True
    interval: tuple[float, float] | None = None
    confidence: float = 0.95
    p_value: float | None = None

    @property
    def drop(self) -> float | None:
        """What int8 lost, positive for a loss: percentage points, or the metric's own unit."""
        if self.float_value is None:
            return None
        lost = self.float_value - self.int8_value
        return (lost if self.higher_is_better else -lost) * (100 if self.unit == "fraction" else 1)


@dataclass(frozen=True)
class Flip:
    """A sample for which float and int8 choose different classes.

    `lost`: float was right; `gained`: int8 is right; `changed`: neither is, or there are no labels.
    Scores are those of each model's own choice. `loss` is how far int8 moved from what float chose,
    in the unit of the scores: the worst flips have the largest. `thumbnail` is the model's input as
    a PNG data URI, where it is an image.
    """

    sample: str
    kind: FlipKind
    label: str | None
    float_choice: str
    int8_choice: str
    float_score: float
    int8_score: float
    loss: float
    thumbnail: str | None = None


@dataclass(frozen=True)
class Flips:
    """How many samples changed each way, and the worst of them: lost ones first."""

    lost: int
    gained: int
    changed: int
    worst: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class ClassLoss:
    """Recall of one class with float and with int8; `samples` is how many are of this class."""

    name: str
    samples: int
    float_recall: float
    int8_recall: float

    @property
    def drop(self) -> float:
        """Percentage points of recall lost."""
        return (self.float_recall - self.int8_recall) * 100


@dataclass(frozen=True)
class Confusion:
    """Counts of samples by true class (row) and chosen class (column)."""

    classes: tuple[str, ...]
    float_counts: tuple[tuple[int, ...], ...]
    int8_counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class OutputError:
    """How far an output of int8 is from float's, whatever it means.

    `cosine` is the mean over samples of the cosine similarity; `sqnr_db` the signal to quantization
    noise ratio over all samples, None where there is no noise or no signal.
    """

    name: str
    cosine: float
    sqnr_db: float | None
    largest_error: float


@dataclass(frozen=True)
class KernelCheck:
    """The int8 model with the kernels that were used, held against litert's default ones.

    `different` counts the samples whose result (class, else any value) depends on the kernels.
    """

    kernels: str
    other: str
    samples: int
    different: int
    largest_error: float


@dataclass(frozen=True)
class ReferenceCheck:
    """The reference that was asked for, held against the float .tflite that was quantized."""

    reference: str
    samples: int
    agreement: float | None
    cosine: float
    largest_error: float


@dataclass(frozen=True)
class Accuracy:
    """How the int8 model does against the float model.

    `agreement` is the fraction of samples (of pixels, for masks) for which both choose the same
    class; None where outputs are no classes. `classes` has the classes that lost most first.
    `structural` says that the loss is too large to be rounding: some layer can't be quantized
    well, or the data are wrong.
    """

    samples: int
    agreement: float | None
    kernels: str  # litert's kernels that computed int8
    metrics: tuple[Metric, ...]
    reference: str = "float"  # as in coral.yml; "none" for a model that is integer already
    flips: Flips | None = None
    classes: tuple[ClassLoss, ...] = ()
    confusion: Confusion | None = None
    outputs: tuple[OutputError, ...] = ()
    kernel_check: KernelCheck | None = None
    reference_check: ReferenceCheck | None = None
    structural: bool = False
    findings: tuple[Finding, ...] = ()
    labels: tuple[str, ...] = ()  # names of all classes in order, where they are known
    statistics: SampleStatistics | None = None  # of the samples, as the models were fed
    asked: tuple[str, ...] = ()  # names of metrics; those that are undefined are not in `metrics`
    class_folders: tuple[int, int] | None = None  # and scores, where their numbers differ
    only_background: bool = False  # masks hold no class but 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Accuracy:
        """The inverse of `to_json`.

        Raises:
            ValueError: if the data are no such result.
        """
        return _adapter().validate_python(data)


@cache
def _adapter() -> TypeAdapter[Accuracy]:
    """Takes 7 ms to build."""
    return TypeAdapter(Accuracy)
