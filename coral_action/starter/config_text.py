"""The first coral.yml: short, commented, and valid as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from coral_action.starter.discover import FoundData, FoundModel

SCHEMA_URL = "https://raw.githubusercontent.com/org/coral-quantize/v1/docs/coral.schema.json"
MISSING_CALIBRATION = "data/calibration"
_PLAIN = re.compile(r"^[A-Za-z0-9_./-]*[A-Za-z_./-][A-Za-z0-9_./-]*$")


def config_text(
    models: Sequence[FoundModel],
    calibration: FoundData | None,
    evaluation: FoundData | None,
    preset: str | None,
) -> str:
    """The text of a coral.yml.

    Args:
        models: at least one.
        calibration: the representative dataset; without one a folder is named that is to be made.
        evaluation: labelled data, if there are any.
        preset: how images are scaled (`preprocess.preset`); only used with images.
    """
    lines = [
        f"# yaml-language-server: $schema={SCHEMA_URL}",
        "version: 1",
        "models:",
    ]
    for model in models:
        lines += [f"  - name: {_quoted(model.name)}", f"    source: {_quoted(model.path)}"]
        lines += _data_lines(calibration, evaluation, preset)
        lines += _limit_lines(evaluation)
    return "\n".join(lines) + "\n"


def _data_lines(
    calibration: FoundData | None, evaluation: FoundData | None, preset: str | None
) -> list[str]:
    kind = calibration.kind if calibration else "images"
    path = calibration.path if calibration else MISSING_CALIBRATION
    lines = []
    if calibration is None:
        lines.append("    # 100 typical inputs are enough: put images into this folder.")
    lines.append(f"    calibration: {{{kind}: {_quoted(path)}}}")
    if kind == "images" or (evaluation and evaluation.kind == "images"):
        lines += [
            "    # As in training: 0-1, keras.mobilenet (-1..1), keras.resnet50, torchvision, raw",
            f"    preprocess: {{preset: {_quoted(preset or '0-1')}}}",
        ]
    if evaluation is None:
        lines.append("    # evaluation: {images: data/test, labels: folders}")
    elif evaluation.kind == "images":
        lines.append(f"    evaluation: {{images: {_quoted(evaluation.path)}, labels: folders}}")
    else:
        lines.append(f"    evaluation: {{{evaluation.kind}: {_quoted(evaluation.path)}}}")
    return lines


def _limit_lines(evaluation: FoundData | None) -> list[str]:
    if evaluation is None:
        return []
    return ["    limits: {accuracy_drop: 1.0}"]


def _quoted(value: str) -> str:
    """The value as YAML reads it back: plain where that is safe, else in double quotes."""
    return value if _PLAIN.match(value) else json.dumps(value)
