"""The typed schema of coral.yml; field descriptions are its documentation."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    PositiveInt,
    StringConstraints,
    field_validator,
    model_validator,
)

from coral_action.config.data_schema import CalibrationConfig, EvaluationConfig, PreprocessConfig
from coral_action.config.download_schema import Downloads
from coral_action.config.edge_tpu_schema import EdgeTpuConfig
from coral_action.config.limits_schema import LimitsConfig
from coral_action.config.metadata_schema import MetadataConfig, short_form
from coral_action.config.quantization_schema import QuantizationConfig, Ranges
from coral_action.config.section import Section

Shape = Annotated[list[PositiveInt], Field(min_length=1, max_length=6)]
ModelName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def _shapes_by_name(value: object) -> object:
    """`[image]` is short for `{image: null}`: a name whose shape the file knows."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return dict.fromkeys(value)
    return value


class ModelConfig(Section):
    """One float model, and what is to become of it."""

    name: ModelName = Field(description="Names the output files.")
    source: str = Field(
        description="SavedModel folder, frozen .pb, .keras, .h5, .tflite or .onnx file, relative "
        "to coral.yml. Told apart by content, not by name."
    )
    signature: str | None = Field(
        None, description="Signature of a SavedModel or .tflite, when there are several."
    )
    inputs: Annotated[
        dict[str, Shape | None],
        BeforeValidator(_shapes_by_name, json_schema_input_type=dict[str, Shape] | list[str]),
    ] = Field(
        default_factory=dict,
        description="Names, or names with shapes, where the file does not say. An inner node or "
        "layer named here becomes an input: what comes before it is cut off.",
    )
    input_shapes: dict[str, Shape] = Field(
        default_factory=dict,
        description="Shapes of inputs, batch of 1 included, where the file leaves them open.",
    )
    outputs: list[str] = Field(
        default_factory=list,
        description="Names of the outputs, where the file does not say. An inner node or layer "
        "named here becomes an output: what comes after it is cut off.",
    )
    constants: dict[str, bool | int | float | list[float]] = Field(
        default_factory=dict,
        description="Inputs that are fixed to a value and vanish, such as `keep_prob: 1.0`.",
    )
    calibration: CalibrationConfig
    preprocess: PreprocessConfig = Field(default_factory=PreprocessConfig)
    ranges: Ranges = Field(
        default_factory=dict,
        description="[min, max] of tensors by name or glob, instead of what was observed.",
    )
    quantization: QuantizationConfig = Field(default_factory=QuantizationConfig)
    evaluation: EvaluationConfig | None = None
    edge_tpu: EdgeTpuConfig = Field(default_factory=EdgeTpuConfig)
    limits: LimitsConfig = Field(default_factory=LimitsConfig)
    metadata: Annotated[
        MetadataConfig,
        BeforeValidator(short_form, json_schema_input_type=bool | MetadataConfig),
    ] = Field(default_factory=MetadataConfig)

    @model_validator(mode="after")
    def _interface_fits(self) -> Self:
        for name, shape in self.input_shapes.items():
            if self.inputs.get(name) not in (None, shape):
                raise ValueError(f"input {name} has two shapes, in `inputs` and `input_shapes`")
        for name in self.constants:
            if name in self.inputs or name in self.input_shapes:
                raise ValueError(f"{name} can't be both an input and a constant")
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.limits.accuracy_drop is not None and self.evaluation is None:
            raise ValueError("limits.accuracy_drop needs an `evaluation` with labelled data")
        sources = [self.calibration, *([self.evaluation] if self.evaluation else [])]
        if self.preprocess.changes_pixels and not any(s.takes_images for s in sources):
            raise ValueError(
                "preprocess applies to images; npy and npz are fed as they are (only "
                "`preprocess.expect` says something of them)"
            )
        return self


class Config(Section):
    """The whole of coral.yml."""

    version: Literal[1] = Field(description="Version of this format: 1.")
    models: list[ModelConfig] = Field(min_length=1)
    downloads: Downloads = Field(
        default_factory=dict,
        max_length=100,
        description="Files elsewhere, by name; `download:NAME` stands for one wherever a path is "
        "named, and `download:NAME/PATH` for what is in an archive.",
    )
    ignore: list[Annotated[str, StringConstraints(pattern=r"^CQ\d{3}$")]] = Field(
        default_factory=list, description="Ids of findings that are not to be shown."
    )

    @field_validator("version", mode="before")
    @classmethod
    def _known_version(cls, value: object) -> object:
        if type(value) is not int or value != 1:
            raise ValueError("this program reads version 1 of the format: write `version: 1`")
        return value

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
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "coral.yml",
        **schema,
    }
