"""The sections of coral.yml that describe a data source of more than one path."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from coral_action.config.section import Section

Dimensions = Annotated[list[PositiveInt], Field(min_length=1, max_length=6)]
RawDtype = Literal["uint8", "int8", "uint16", "int16", "int32", "int64", "float16", "float32"]


class TfrecordFeature(Section):
    """How one model input is read from a tf.train.Example."""

    key: str | None = Field(
        None, description="The feature's name in the file; without it, the input's name."
    )
    decode: Literal["numbers", "raw", "image"] = Field(
        "numbers",
        description="numbers: a float_list or int64_list. raw: bytes of `dtype`, little endian. "
        "image: an encoded image, which goes through `preprocess`.",
    )
    dtype: RawDtype | None = Field(None, description="Element type of `decode: raw`.")
    shape: Dimensions | None = Field(
        None, description="Shape of the values, row by row; without it, the input's shape."
    )

    @model_validator(mode="after")
    def _dtype_only_for_raw(self) -> Self:
        if (self.decode == "raw") != (self.dtype is not None):
            raise ValueError("`dtype` belongs to `decode: raw`, and to nothing else")
        if self.decode == "image" and self.shape is not None:
            raise ValueError("an image has a shape of its own: leave `shape` out")
        return self


class TfrecordSource(Section):
    """TFRecord files that hold tf.train.Example messages."""

    files: str = Field(description="A file, a folder of *.tfrecord*, a glob, or a list file.")
    features: dict[str, TfrecordFeature] = Field(
        min_length=1, description="For each model input, how it is read."
    )
    label: str | None = Field(None, description="The int64 feature that holds the class number.")


class CsvSource(Section):
    """A table of numbers, one sample a row."""

    file: str = Field(description="The .csv, UTF-8; a first row that holds names is found as such.")
    columns: dict[str, list[str]] | None = Field(
        None,
        description="For each model input, its columns by name (or by number, from 0, if the file "
        "names none). Without it, all columns but the label, in order, are the one input.",
    )
    label: str | None = Field(None, description="The column that holds the class number.")
    delimiter: Annotated[str, StringConstraints(min_length=1, max_length=1)] = Field(
        ",", description="What stands between two values."
    )


class WavSource(Section):
    """Sound clips: 16-bit PCM, one channel."""

    files: str = Field(description="A folder (searched with its subfolders), a glob or list file.")
    sample_rate: PositiveInt | None = Field(
        None, description="What every file must have, in Hz; nothing is resampled."
    )
    fit: Literal["start", "center", "end"] = Field(
        "start",
        description="Which part of a longer clip is kept; a shorter one is padded with silence "
        "on the other side (start: behind it).",
    )
    scale: Literal["unit", "int16"] = Field(
        "unit", description="unit: value / 32768, from -1 to 1. int16: as stored."
    )
