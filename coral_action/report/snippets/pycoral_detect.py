"""A detector with pycoral (https://coral.ai/docs/reference/py/)."""

from __future__ import annotations

from coral_action.report.model import ModelReport
from coral_action.report.snippets.snippet import Snippet, image_model, imports, setup


def pycoral_detect(model: ModelReport) -> Snippet | None:
    """For one image input and the outputs of TFLite_Detection_PostProcess.

    They are read by their order: `pycoral.adapters.detect` goes by a signature's names where there
    is one, and knows only those of its own models.
    """
    found = image_model(model)
    if found is None or model.interface is None or not model.interface.detector:
        return None
    lines = [
        *imports("common", labels=found.labels is not None),
        *setup(found),
        "boxes, classes, scores, count = (common.output_tensor(interpreter, i) for i in range(4))",
        "for i in range(int(count[0])):",
        "    if scores[0, i] >= 0.4:",
        "        name = labels.get(int(classes[0, i]), int(classes[0, i]))",
        "        print(name, scores[0, i], boxes[0, i])  # ymin, xmin, ymax, xmax from 0 to 1",
    ]
    return Snippet("Detect objects with pycoral", "python", "\n".join(lines) + "\n")
