"""A classifier with pycoral (https://coral.ai/docs/reference/py/)."""

from __future__ import annotations

from coral_action.report.model import ModelReport
from coral_action.report.snippets.snippet import Snippet, image_model, imports, setup


def pycoral_classify(model: ModelReport) -> Snippet | None:
    """For one image input and one output of scores, (1, classes)."""
    found, interface = image_model(model), model.interface
    if found is None or interface is None or interface.detector or len(interface.outputs) != 1:
        return None
    (scores,) = interface.outputs
    if scores.scale is None or len(scores.shape) != 2 or scores.shape[1] < 2:
        return None
    lines = [
        *imports("classify", "common", labels=found.labels is not None),
        *setup(found),
        "for found in classify.get_classes(interpreter, top_k=3):",
        "    print(labels.get(found.id, found.id), found.score)",
    ]
    return Snippet("Classify an image with pycoral", "python", "\n".join(lines) + "\n")
