"""The keys of `evaluation` in coral.yml that say how float and int8 are compared."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal, Self, get_args

from pydantic import BeforeValidator, Field, model_validator

from coral_action.config.section import Section

MetricName = Literal[
    "top1",
    "top5",
    "recall",
    "binary_accuracy",
    "roc_auc",
    "mae",
    "mse",
    "mean_iou",
    "map",
    "agreement",
    "cosine",
]
METRIC_NAMES: tuple[str, ...] = get_args(MetricName)


class MetricChoice(Section):
    """A metric by its name, or a Python function of the user's, called for each sample."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_ .-]{0,39}$")] | None = Field(
        None, description="A known metric; or what the report calls the function."
    )
    python: Annotated[str, Field(pattern=r"^[^:]+\.py:[A-Za-z_][A-Za-z0-9_]*$")] | None = Field(
        None,
        description="`file.py:function`; called with (outputs, label), returns a number whose mean "
        "over the samples is the metric. Runs only where custom code is allowed on the command "
        "line or by the action's input.",
    )
    higher_is_better: bool | None = Field(None, description="Of a function; true without it.")
    unit: Literal["fraction", "value"] | None = Field(
        None,
        description="Of a function. fraction: from 0 to 1, shown as a percentage. value: any "
        "number, which it is without this key.",
    )

    @property
    def label(self) -> str:
        """As the report calls it."""
        return self.name or (self.python or "").rpartition(":")[2]

    @model_validator(mode="after")
    def _known_or_python(self) -> Self:
        if self.python is None:
            if self.higher_is_better is not None or self.unit is not None:
                raise ValueError("`higher_is_better` and `unit` belong to `python`")
            if self.name not in METRIC_NAMES:
                close = difflib.get_close_matches(str(self.name), METRIC_NAMES, 1, 0.5)
                known = f'; did you mean "{close[0]}"?' if close else ""
                raise ValueError(
                    f"no metric is called {self.name}{known or '; known: '}"
                    + ("" if known else ", ".join(METRIC_NAMES))
                )
        elif self.label in METRIC_NAMES:
            raise ValueError(f"{self.label} is the name of a known metric")
        return self


def _named(value: object) -> object:
    """A plain name is short for `{name: ...}`."""
    return {"name": value} if isinstance(value, str) else value


Metrics = Annotated[
    list[
        Annotated[
            MetricChoice,
            BeforeValidator(_named, json_schema_input_type=MetricName | MetricChoice),
        ]
    ],
    Field(min_length=1),
]


class DetectionOutputs(Section):
    """Which outputs hold what, for a detector without TFLite_Detection_PostProcess."""

    boxes: str = Field(description="[1, N, 4]: ymin, xmin, ymax, xmax, from 0 to 1.")
    classes: str = Field(description="[1, N]: class numbers.")
    scores: str = Field(description="[1, N]: from 0 to 1.")
    count: str | None = Field(None, description="[1]: how many of the N are valid; else all.")


class EvaluationOptions(Section):
    """How float and int8 are compared."""

    metrics: Metrics | None = Field(
        None,
        description="The first one is held against `limits.accuracy_drop`. Without it: top1 and "
        "top5 for classes, binary_accuracy and roc_auc for a single score, mean_iou for masks, "
        "map for boxes, mae for other numbers, cosine without labels.",
    )
    output: str | None = Field(
        None, description="The output that metrics look at; the first one without it."
    )
    threshold: float = Field(
        0.5, description="A single score at or above it means class 1 (binary_accuracy)."
    )
    boxes: str | None = Field(
        None,
        description="Labels of a detection model: COCO .json, or .csv of rows "
        "`file,class,ymin,xmin,ymax,xmax` from 0 to 1.",
    )
    detection: DetectionOutputs | None = Field(
        None, description="Outputs of a detector without TFLite_Detection_PostProcess."
    )
    reference: str = Field(
        "float",
        description="What int8 is held against. float: the float .tflite. original: the model "
        "itself in TensorFlow, which checks the loading, too. Or a path to a .tflite.",
    )
    exact: bool = Field(
        False,
        description="Run int8 with litert's own kernels, whose arithmetic is closer to the Edge "
        "TPU's than XNNPACK's; slower. The report says where the two differ.",
    )

    @property
    def metric_names(self) -> list[str]:
        """Names of the metrics that are asked for; empty: to be chosen by the labels."""
        return [metric.label for metric in self.metrics or []]

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        names = self.metric_names
        if len(set(names)) != len(names):
            raise ValueError("a metric is named twice")
        if "map" in names and self.boxes is None:
            raise ValueError("the metric map needs `boxes`, the file that labels them")
        if self.detection is not None and self.boxes is None:
            raise ValueError("`detection` belongs to `boxes`")
        return self
