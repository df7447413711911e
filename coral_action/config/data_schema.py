"""The sections of coral.yml that say where data come from and how they become model inputs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.section import Section


class DataSection(Section):
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


class CalibrationConfig(DataSection):
    """The representative dataset, from which the quantizer learns the range of every tensor."""

    samples: PositiveInt = Field(200, description="At most this many samples are used.")
    seed: int = Field(0, description="Chooses the samples when there are more than `samples`.")
    method: Literal["min_max"] = Field(
        "min_max", description="How ranges are chosen from what was observed."
    )


class EvaluationConfig(DataSection, EvaluationOptions):
    """Data on which the float and the int8 model are compared, best with labels."""

    labels: Literal["folders"] | None = Field(
        None,
        description="`folders`: the folder of an image is its class, numbered in sorted order. "
        "An .npz carries its labels as `y`.",
    )

    @model_validator(mode="after")
    def _labels_fit_source(self) -> Self:
        if self.images is None and self.labels is not None:
            raise ValueError("`labels` belong to images; an npz carries its labels as `y`")
        return self


class PreprocessConfig(Section):
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
