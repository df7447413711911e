"""TFLite metadata: labels and normalization inside the model file, where boards' libraries look."""

from __future__ import annotations

from coral_action.metadata.describe import described
from coral_action.metadata.embed import embed, has_metadata, numbered_label_text
from coral_action.metadata.schema import ImageInput, ModelDescription, TensorDescription

__all__ = [
    "ImageInput",
    "ModelDescription",
    "TensorDescription",
    "described",
    "embed",
    "has_metadata",
    "numbered_label_text",
]
