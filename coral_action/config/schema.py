"""The typed schema of coral.yml. Field descriptions are its documentation (`coral-quantize schema`)."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "KIB": 2**10, "MIB": 2**20}
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)?\s*$")

MetricName = Literal["top1", "top5"]


def parse_size(value: object) -> object:
    """Bytes from `4 MiB`, `500 kB` or a plain number; anything else is left for the schema to refuse."""
    if not isinstance(value, str):
        return value
    match = _SIZE.match(value)
    unit = (match[2] or "B").upper() if match else ""
    if match is None or unit not in _UNITS:
        raise ValueError("a size is a number with a unit: B, kB, MB, KiB or MiB, such as 4 MiB")
    return int(float(match[1]) * _UNITS[unit])


Size = Annotated[
    int,
    BeforeValidator(parse_size, json_schema_input_type=int | str),
    Field(gt=0),
]
Shape = Annotated[list[PositiveInt], Field(min_length=1, max_length=6)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Data(_Section):
    """Where samples come from: exactly one source."""

    images: str | None = Field(
        None, description="Folder (searched with its subfolders) or glob of images."
    )
    npy: str | None = Field(
        None, description="One .npy array, samples along the first axis, fed as it is."
    )
    npz: str | None = Field(
        None, description="One .npz with an array for each model input, or `x`; fed as it is."
    )

    @property
    def source(self) -> tuple[str, str]:
        """Kind and path of the one source that is set."""
        return next((kind, path) for kind, path in self._sources() if path is not None)

    def _sources(self) -> list[tuple[str, str | None]]:
        return [("images", self.images), ("npy", self.npy), ("npz", self.npz)]

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [kind for kind, path in self._sources() if path is not None]
        if len(named) != 1:
            raise ValueError("name exactly one source: images, npy or npz")
        return self


class CalibrationConfig(_Data):
    """The representative dataset, from which the quantizer learns the range of every tensor."""

    samples: PositiveInt = Field(200, description="At most this many samples are used.")
    seed: int = Field(0, description="Chooses the samples when there are more than `samples`.")
    method: Literal["min_max"] = Field(
        "min_max", description="How ranges are chosen from what was observed."
    )


class EvaluationConfig(_Data):
    """Labelled data on which the float and the int8 model are compared."""

    labels: Literal["folders"] | None = Field(
        None,
        description="`folders`: the folder of an image is its class, numbered in sorted order. "
        "An .npz carries its labels as `y`.",
    )
    metrics: list[MetricName] = Field(
        default_factory=lambda: ["top1", "top5"],
        min_length=1,
        description="The first one is held against `limits.accuracy_drop`.",
    )

    @model_validator(mode="after")
    def _labels_fit_source(self) -> Self:
        if self.npy is not None:
            raise ValueError("evaluation needs labels: use images in class folders, or npz (x, y)")
        if self.images is not None and self.labels is None:
            raise ValueError("images need `labels: folders`, with a folder for each class")
        if self.npz is not None and self.labels is not None:
            raise ValueError("an npz carries its labels as `y`: leave `labels` out")
        return self


class PreprocessConfig(_Section):
    """How an image becomes a model input: decode, color, resize, then (pixel - mean) / std."""

    resize: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[height, width]; without it, the model's own input size."
    )
    color: Literal["rgb", "bgr", "gray"] | None = Field(
        None, description="Channel order; without it, gray for one channel and rgb for three."
    )
    mean: float | list[float] = Field(0.0, description="Subtracted; a number or one a channel.")
    std: float | list[float] = Field(1.0, description="Divided by; a number or one a channel.")

    @field_validator("std")
    @classmethod
    def _not_zero(cls, value: float | list[float]) -> float | list[float]:
        if any(v == 0 for v in (value if isinstance(value, list) else [value])):
            raise ValueError("std divides: it can't be 0")
        return value


class EdgeTpuConfig(_Section):
    """Options of edgetpu_compiler."""

    min_runtime_version: Annotated[int, Field(ge=10, le=14)] | None = Field(
        None, description="Oldest Edge TPU runtime to support; the compiler's default is 14."
    )
    timeout: PositiveInt = Field(180, description="Seconds for one compilation.")


class LimitsConfig(_Section):
    """What must hold; one that doesn't makes the exit code 1."""

    accuracy_drop: float | None = Field(
        None, description="Percentage points of the first metric, float minus int8."
    )
    int8_size: Size | None = Field(None, description="Size of the int8 .tflite, such as 4 MiB.")
    cpu_operators: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Operators left on the CPU."
    )


def _shapes_by_name(value: object) -> object:
    """`[image]` is short for `{image: null}`: a name whose shape the file knows."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return dict.fromkeys(value)
    return value


class ModelConfig(_Section):
    """One float model, and what is to become of it."""

    name: ModelName = Field(description="Names the output files.")
    source: str = Field(
        description="SavedModel folder, frozen .pb, .keras or .h5 file, relative to coral.yml."
    )
    signature: str | None = Field(
        None, description="SavedModel signature, when there are several."
    )
    inputs: Annotated[
        dict[str, Shape | None],
        BeforeValidator(_shapes_by_name, json_schema_input_type=dict[str, Shape] | list[str]),
    ] = Field(
        default_factory=dict,
        description="Names, or names with shapes, where the file does not say.",
    )
    outputs: list[str] = Field(
        default_factory=list, description="Names of the outputs, where the file does not say."
    )
    calibration: CalibrationConfig
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig)
    evaluation: EvaluationConfig | None = None
    edge_tpu: EdgeTpuConfig = Field(default_factory=EdgeTpuConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.limits.accuracy_drop is not None and self.evaluation is None:
            raise ValueError("limits.accuracy_drop needs an `evaluation` with labelled data")
        sources = [self.calibration, *([self.evaluation] if self.evaluation else [])]
        if "preprocess" in self.model_fields_set and all(s.images is None for s in sources):
            raise ValueError("preprocess applies to images; npy and npz are fed as they are")
        return self


class Config(_Section):
    """The whole of coral.yml."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    models: list[ModelConfig] = Field(min_length=1)
    ignore: list[Annotated[str, StringConstraints(pattern=r"^CQ\d{3}$")]] = Field(
        default_factory=list, description="Ids of findings that are not to be shown."
    )

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        for model in self.models:
            if model.name.lower() in seen:
                raise ValueError(f'two models are named "{model.name}" (case does not count)')
            seen.add(model.name.lower())
        return self


def json_schema() -> dict[str, Any]:
    """JSON Schema of coral.yml, for editors and for validation elsewhere."""
    schema = Config.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "coral.yml", **schema}
