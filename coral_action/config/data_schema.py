"""The sections of coral.yml that say where data come from and how they become model inputs."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveInt,
    field_validator,
    model_validator,
)

from coral_action.config.evaluation_schema import EvaluationOptions
from coral_action.config.section import Section
from coral_action.config.source_schema import CsvSource, TfrecordSource, WavSource

CalibrationMethod = Literal["auto", "min_max", "moving_average", "percentile", "mse", "entropy"]
SourceValue = str | dict[str, str] | TfrecordSource | CsvSource | WavSource
Interval = Annotated[list[float], Field(min_length=2, max_length=2)]

SOURCES = ("images", "npy", "npz", "tfrecord", "csv", "wav", "python")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _path_or_paths(value: object) -> object:
    """One error for the union, in place of one for each of its members."""
    paths = list(value.values()) if isinstance(value, dict) else [value]
    if value is None or (paths and all(isinstance(path, str) for path in paths)):
        return value
    raise ValueError("must be a path, or a mapping of model inputs to paths")


def _number_or_numbers(value: object) -> object:
    """One error for the union, in place of one for each of its members."""
    numbers = value if isinstance(value, list) else [value]
    if value is None or (0 < len(numbers) <= 4 and all(_is_number(n) for n in numbers)):
        return value
    raise ValueError("must be a number, or a list of one for each channel")


def _short_for(key: str, section: type[Section]) -> BeforeValidator:
    """A plain path is short for the section with only its path."""
    return BeforeValidator(
        lambda value: {key: value} if isinstance(value, str) else value,
        json_schema_input_type=str | section,
    )


PathOrPaths = Annotated[str | dict[str, str] | None, BeforeValidator(_path_or_paths)]
Numbers = Annotated[float | list[float] | None, BeforeValidator(_number_or_numbers)]


class DataSection(Section):
    """Where samples come from: exactly one source."""

    images: PathOrPaths = Field(
        None,
        description="Folder (searched with its subfolders), glob, or list file (.txt, one path a "
        "line) of images; or one of these for each model input, matched by file name.",
    )
    npy: PathOrPaths = Field(
        None,
        description="One .npy array, samples along the first axis, fed as it is; or one for each "
        "model input.",
    )
    npz: str | None = Field(
        None, description="One .npz with an array for each model input, or `x`; fed as it is."
    )
    tfrecord: TfrecordSource | None = Field(None, description="TFRecord files of tf.train.Example.")
    csv: Annotated[CsvSource | None, _short_for("file", CsvSource)] = Field(
        None, description="A table of numbers, one sample a row, fed as it is."
    )
    wav: Annotated[WavSource | None, _short_for("files", WavSource)] = Field(
        None, description="Folder, glob or list file of 16-bit PCM sound clips."
    )
    python: str | None = Field(
        None,
        description="`file.py:function`, which yields dicts of arrays by input name. Runs only "
        "where custom code is allowed on the command line or by the action's input.",
    )
    labels: str | None = Field(
        None,
        description="The class of each file. `folders`: its class folder, numbered in sorted "
        "order. A .txt of class names, one a line: its class folder, numbered by line, from 0. "
        "A .csv of rows `file,label`. An .npz carries its labels as `y`.",
    )
    class_names: str | None = Field(
        None, description="A .txt of class names, for a `labels` .csv that holds names."
    )
    masks: str | None = Field(
        None,
        description="Folder of .png masks, named as the images: the class of each pixel, "
        "255 where there is none.",
    )
    shuffle: bool = Field(
        True, description="Draw at random (by `seed`); false takes the first ones by name."
    )
    max_bad_files: NonNegativeInt = Field(
        0, description="Files that can't be decoded are left out and named, up to this many."
    )

    @field_validator("python")
    @classmethod
    def _file_and_function(cls, value: str | None) -> str | None:
        file, _, function = (value or "").rpartition(":")
        if value is not None and not (file.endswith(".py") and function.isidentifier()):
            raise ValueError("must be `file.py:function`")
        return value

    @property
    def source(self) -> tuple[str, SourceValue]:
        """Kind and value of the one source that is set."""
        return next((kind, value) for kind, value in self._sources() if value is not None)

    @property
    def takes_images(self) -> bool:
        """Whether encoded images are read, which `preprocess` applies to."""
        features = self.tfrecord.features.values() if self.tfrecord else ()
        return self.images is not None or any(f.decode == "image" for f in features)

    def _labels_end_in(self, *suffixes: str) -> bool:
        return self.labels is not None and self.labels.lower().endswith(suffixes)

    def _sources(self) -> list[tuple[str, Any]]:
        return [(kind, getattr(self, kind)) for kind in SOURCES]

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        named = [kind for kind, path in self._sources() if path is not None]
        if len(named) != 1:
            raise ValueError(f"name exactly one source: {', '.join(SOURCES[:-1])} or {SOURCES[-1]}")
        return self

    @model_validator(mode="after")
    def _labels_fit_files(self) -> Self:
        if self.npz is not None and self.labels is not None:
            raise ValueError("an npz carries its labels as `y`: leave `labels` out")
        if self.labels is not None and self.images is None and self.wav is None:
            raise ValueError("`labels` belong to images and wav")
        if self.labels not in (None, "folders") and not self._labels_end_in(".csv", ".txt"):
            raise ValueError("`labels` is `folders`, a .csv (file,label) or a .txt of names")
        if self.class_names is not None and not self._labels_end_in(".csv"):
            raise ValueError("`class_names` belongs to a `labels` .csv")
        if self.masks is not None and (not isinstance(self.images, str) or self.labels is not None):
            raise ValueError(
                "`masks` belong to images of one input, and take the place of `labels`"
            )
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


class EvaluationConfig(DataSection, EvaluationOptions):
    """Data on which the float and the int8 model are compared, best with labels."""

    samples: PositiveInt | None = Field(
        None, description="At most this many samples are used; without it, all."
    )
    seed: int = Field(0, description="Chooses the samples when there are more than `samples`.")


PresetName = Literal["keras.mobilenet", "keras.resnet50", "torchvision", "0-1", "raw"]


def _resize_from_size(value: object) -> object:
    """`[height, width]` is short for `{size: [height, width]}`."""
    return {"size": value} if isinstance(value, list) else value


class ResizeConfig(Section):
    """How an image gets the size of the model's input."""

    size: Annotated[list[PositiveInt], Field(min_length=2, max_length=2)] | None = Field(
        None, description="[height, width]; without it, the model's own input size."
    )
    mode: Literal["stretch", "letterbox", "crop", "short_side"] = Field(
        "stretch",
        description="stretch: to the size, whatever the proportions. letterbox: as large as fits, "
        "centred, the rest filled. crop: the central `fraction` of each side, then stretch. "
        "short_side: the shorter side to `short_side`, then the centre.",
    )
    filter: Literal["nearest", "bilinear", "bicubic", "area"] = Field(
        "bilinear", description="How pixels are weighed; area is the mean of what is covered."
    )
    engine: Literal["pillow", "tensorflow"] = Field(
        "pillow",
        description="pillow: antialiased, 8 bits. tensorflow: what tf.image.resize does, "
        "without antialiasing, in float.",
    )
    fraction: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None, description="Of each side, kept by `mode: crop`; 0.875 without it."
    )
    fill: Numbers = Field(
        None, description="Pixel value around a letterboxed image, 0 to 255; 0 without it."
    )
    short_side: PositiveInt | None = Field(
        None,
        description="Pixels of the shorter side in `mode: short_side`; without it, the longer "
        "side of the input.",
    )

    @field_validator("fill")
    @classmethod
    def _a_pixel(cls, value: float | list[float] | None) -> float | list[float] | None:
        values = value if isinstance(value, list) else [value or 0.0]
        if not all(0 <= v <= 255 for v in values):
            raise ValueError("a pixel value lies between 0 and 255")
        return value

    @model_validator(mode="after")
    def _options_fit_mode(self) -> Self:
        for option, mode in (
            ("fraction", "crop"),
            ("fill", "letterbox"),
            ("short_side", "short_side"),
        ):
            if getattr(self, option) is not None and self.mode != mode:
                raise ValueError(f"`{option}` belongs to `mode: {mode}`")
        return self


class PreprocessConfig(Section):
    """How an image becomes a model input: color, resize, then (pixel * scale - mean) / std."""

    preset: PresetName | None = Field(
        None,
        description="Color, scale, mean and std by the name people know; other keys override it.",
    )
    resize: Annotated[
        ResizeConfig | None,
        BeforeValidator(_resize_from_size, json_schema_input_type=ResizeConfig | list[int]),
    ] = Field(None, description="[height, width], or a mapping with mode and filter.")
    color: Literal["rgb", "bgr", "gray"] | None = Field(
        None, description="Channel order; without it, gray for one channel and rgb for three."
    )
    scale: float | None = Field(None, description="Pixels are multiplied by it first; 1 if absent.")
    mean: Numbers = Field(
        None, description="Then subtracted; a number, or one for each channel as fed. 0 if absent."
    )
    std: Numbers = Field(
        None, description="Then divided by; a number, or one for each channel as fed. 1 if absent."
    )
    expect: Interval | None = Field(
        None,
        description="[lowest, highest] value that the model was trained on: what it is fed is "
        "held against it. A preset implies it. For sources that are fed as they are, too.",
    )

    @field_validator("std")
    @classmethod
    def _not_zero(cls, value: float | list[float] | None) -> float | list[float] | None:
        if any(v == 0 for v in (value if isinstance(value, list) else [value])):
            raise ValueError("std divides: it can't be 0")
        return value

    @field_validator("scale")
    @classmethod
    def _scale_not_zero(cls, value: float | None) -> float | None:
        if value == 0:
            raise ValueError("every pixel times 0 is 0: leave `scale` out, or use 0.00392157")
        return value

    @field_validator("expect")
    @classmethod
    def _ordered(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError("the lowest value comes first, such as [-1, 1]")
        return value

    @property
    def changes_pixels(self) -> bool:
        """Whether anything but `expect` is set."""
        keys = ("preset", "resize", "color", "scale", "mean", "std")
        return any(getattr(self, key) is not None for key in keys)
