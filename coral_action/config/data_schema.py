"""The sections of coral.yml that say where data come from and how they become model inputs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from coral_action.config.section import Section

CalibrationMethod = Literal["auto", "min_max", "moving_average", "percentile", "mse", "entropy"]
MetricName = Literal["top1", "top5"]


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
    method: CalibrationMethod = Field(
        "auto",
        description="How ranges are chosen from what was observed; `auto` tries all and keeps the "
        "one with the least output error.",
    )
    percentile: Annotated[float, Field(ge=90, le=100)] = Field(
        99.99,
        description="For `percentile`: per cent of a tensor's values above its lower end, "
        "and below its upper end.",
    )
    bins: Annotated[int, Field(ge=256, le=65536)] = Field(
        8192,
        description="For `percentile`, `mse` and `entropy`: histogram bins on each side of "
        "zero; a power of two.",
    )
    momentum: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.99, description="For `moving_average`: weight of the past at each sample."
    )

    @field_validator("bins")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError(f"bins must be a power of two, such as {1 << value.bit_length()}")
        return value


class EvaluationConfig(DataSection):
    """Labelled data on which the float and the int8 model are compared."""

    labels: Literal["folders"] | None = Field(
        None,
        description="`folders`: the folder of an image is its class, numbered in sorted order. "
        "An .npz carries its labels as `y`.",
    )
    metrics: list[MetricName] = Field(
        default=["top1", "top5"],
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
