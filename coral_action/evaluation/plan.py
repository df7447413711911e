"""What is to be computed: which metrics fit the labels, and which outputs they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from coral_action.config.evaluation_schema import EvaluationOptions, MetricChoice
from coral_action.errors import DataError
from coral_action.evaluation.metrics import METRICS, MetricKind, Settings, Task, default_metrics
from coral_action.evaluation.metrics.custom import custom_kind, not_run
from coral_action.evaluation.metrics.kind import DetectionNames, RowFunction, Truth
from coral_action.loading import FloatModel
from coral_action.tflite import DETECTIONS, TfliteModel

Choices = Literal["classes", "pixels", "if_probabilities", "none"]


@dataclass(frozen=True)
class Plan:
    """The metrics, what they have to know, and whether outputs choose classes."""

    metrics: tuple[MetricKind, ...]
    settings: Settings
    choices: Choices


def make_plan(
    options: EvaluationOptions,
    model: FloatModel,
    flatbuffer: TfliteModel,
    truth: Truth,
    custom: Mapping[str, RowFunction],
) -> Plan:
    """Decide by coral.yml, by the model, and by what the first label is.

    Args:
        options: what coral.yml says.
        model: names and shapes of the outputs.
        flatbuffer: the float model.
        truth: label of the first sample.
        custom: the user's functions, by name.

    Raises:
        DataError: if an output is named that the model does not have.
    """
    settings = settings_of(options, model, flatbuffer)
    shape = output_shape(model, settings.output)
    task = _task(options, truth, shape)
    names = [choice.label for choice in options.metrics or []]
    values = int(np.prod(shape))
    metrics = kinds(options, names or default_metrics(task, values), custom)
    tasks = {metric.task for metric in metrics}
    image = len(shape) == 4 and shape[1] * shape[2] > 1
    choices: Choices = "none"
    if tasks & {"classes", "score"}:
        choices = "classes"
    elif "mask" in tasks or "agreement" in names:
        choices = "pixels" if image or "mask" in tasks else "classes"
    elif tasks == {"any"}:
        # Of a model without labels, only the values tell whether they choose a class.
        choices = "if_probabilities" if not image and values > 1 else "none"
    return Plan(metrics, settings, choices)


def output_shape(model: FloatModel, name: str) -> tuple[int, ...]:
    """The shape of one of the model's outputs."""
    return next(spec.shape for spec in model.outputs if spec.name == name)


def without_reference(plan: Plan) -> Plan:
    """What can be said of a model that there is nothing to compare with.

    Raises:
        DataError: if that is nothing.
    """
    metrics = tuple(metric for metric in plan.metrics if not metric.against_reference)
    if not metrics:
        raise DataError(
            "evaluation: the model is integer already and the data have no labels: there is "
            "nothing to measure",
            hint="name the float model as `reference: model.tflite`, or give labels",
        )
    return replace(plan, metrics=metrics, choices="none")


def kinds(
    options: EvaluationOptions, names: Sequence[str], custom: Mapping[str, RowFunction]
) -> tuple[MetricKind, ...]:
    """Metrics by name: known ones, and functions of the user's."""
    own: dict[str, MetricChoice] = {c.label: c for c in options.metrics or [] if c.python}
    return tuple(
        custom_kind(own[name], custom.get(name, not_run)) if name in own else METRICS[name]
        for name in names
    )


def _task(options: EvaluationOptions, truth: Truth, shape: Sequence[int]) -> Task:
    """What the labels are, for the choice of metrics."""
    if options.boxes is not None:
        return "boxes"
    if truth is None:
        return "any"
    if isinstance(truth, np.ndarray):
        is_mask = truth.ndim == 2 and truth.dtype.kind in "iu" and len(shape) in (3, 4)
        return "mask" if is_mask else "values"
    return "classes" if int(np.prod(shape)) > 1 else "score"


def settings_of(options: EvaluationOptions, model: FloatModel, flatbuffer: TfliteModel) -> Settings:
    """Which outputs metrics look at.

    Raises:
        DataError: if one is named that the model does not have.
    """
    known = [spec.name for spec in model.outputs]
    named_outputs = options.detection
    detection = DetectionNames(**named_outputs.model_dump()) if named_outputs else None
    if options.boxes is not None and detection is None:
        detection = _postprocess(flatbuffer)
    named = [options.output, *(vars(detection).values() if detection else ())]
    for name in named:
        if name is not None and name not in known:
            raise DataError(
                f"evaluation: the model has no output named {name}",
                hint=f"its outputs are: {', '.join(known)}",
            )
    output = options.output or (detection.scores if detection else known[0])
    return Settings(output, options.threshold, detection)


def _postprocess(model: TfliteModel) -> DetectionNames:
    """The outputs of the operator that ends detectors; it fixes their order."""
    names = {index: name for name, index in model.output_names().items()}
    for operator in model.operators:
        found = [names.get(index) for index in operator.outputs]
        if operator.name == DETECTIONS and len(found) == 4 and None not in found:
            return DetectionNames(*(str(name) for name in found))
    raise DataError(
        "evaluation: the metric map needs detections, but the model does not end with "
        "TFLite_Detection_PostProcess",
        hint="name the outputs under `detection: {boxes: ..., classes: ..., scores: ...}`",
    )
