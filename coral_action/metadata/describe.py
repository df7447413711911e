"""What is known of a model and how it is fed, in the terms of the metadata schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coral_action.metadata.schema import ImageInput, ModelDescription, TensorDescription
from coral_action.tflite import DETECTIONS, TfliteModel

# As the published detectors name the outputs of TFLite_Detection_PostProcess.
_DETECTION_OUTPUTS = (
    TensorDescription("location", boxes=True, each_of=True),
    TensorDescription("category", labels="values", each_of=True),
    TensorDescription("score", each_of=True),
    TensorDescription("number of detections"),
)


def described(
    name: str,
    model: TfliteModel,
    images: Mapping[str, ImageInput],
    labels: Sequence[str],
) -> ModelDescription | None:
    """What is worth putting into a model; None if nothing is.

    Args:
        name: what the model is called.
        model: the int8 model; a compiled one has the same inputs and outputs.
        images: how images are fed, by input; of arrays nothing is known.
        labels: class names in the order of classes, empty if not known. Those of a classifier
            have to be as many as it has scores.
    """
    inputs = tuple(TensorDescription(item, image=images.get(item)) for item in model.input_names())
    outputs, used = _outputs(model, tuple(labels))
    if not images and not used:
        return None
    return ModelDescription(name, inputs, outputs, used)


def _outputs(
    model: TfliteModel, labels: tuple[str, ...]
) -> tuple[tuple[TensorDescription, ...], tuple[str, ...]]:
    """The outputs, and the labels if one of them takes them."""
    names = model.output_names()
    ends = [op for op in model.operators if op.name == DETECTIONS]
    if ends and ends[0].outputs == model.outputs:
        return _DETECTION_OUTPUTS if labels else _without_labels(), labels
    outputs = [TensorDescription(item) for item in names]
    if labels and len(names) == 1:
        shape = model.tensors[model.outputs[0]].shape
        scores = shape[-1] if shape and max(shape[:-1], default=1) == 1 else 0
        if scores == len(labels):
            return (TensorDescription(outputs[0].name, labels="axis"),), labels
    return tuple(outputs), ()


def _without_labels() -> tuple[TensorDescription, ...]:
    return tuple(
        TensorDescription(item.name, boxes=item.boxes, each_of=item.each_of)
        for item in _DETECTION_OUTPUTS
    )
