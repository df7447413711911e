"""docs/configuration.md, made from the schema: `python -m coral_action.config.reference [FILE]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coral_action.config.schema import json_schema

Json = dict[str, Any]

_HEAD = """\
# Configuration

All keys of `coral.yml`. This page is generated from the schema
(`python -m coral_action.config.reference`), which `coral-quantize schema` prints for editors and
validators. Unknown keys are errors, types are never guessed, relative paths begin at the folder of
`coral.yml`. A key without a default has to be there.
"""
# Where a section stands in the file; sections that are values of several keys have one heading.
_PLACES = {
    "ModelConfig": "models",
    "CalibrationConfig": "models.calibration",
    "TfrecordSource": "models.calibration.tfrecord",
    "TfrecordFeature": "models.calibration.tfrecord.features",
    "CsvSource": "models.calibration.csv",
    "WavSource": "models.calibration.wav",
    "PreprocessConfig": "models.preprocess",
    "ResizeConfig": "models.preprocess.resize",
    "QuantizationConfig": "models.quantization",
    "EvaluationConfig": "models.evaluation",
    "MetricChoice": "models.evaluation.metrics",
    "DetectionOutputs": "models.evaluation.detection",
    "EdgeTpuConfig": "models.edge_tpu",
    "LimitsConfig": "models.limits",
    "DropLimit": "models.limits.accuracy_drop",
}


def reference_page() -> str:
    """The text of docs/configuration.md."""
    schema = json_schema()
    definitions: dict[str, Json] = schema["$defs"]
    known = [name for name in _PLACES if name in definitions]
    sections = [_section("The file", schema, definitions)]
    for name in [*known, *sorted(definitions.keys() - known)]:
        title = f"`{_PLACES.get(name, name)}`"
        sections.append(_section(title, definitions[name], definitions))
    return "\n".join([_HEAD, *sections])


def _section(title: str, definition: Json, definitions: dict[str, Json]) -> str:
    required = set(definition.get("required", ()))
    lines = [f"## {title}", ""]
    if text := definition.get("description"):
        lines += [text.replace("\n\n", "\x00").replace("\n", " ").replace("\x00", "\n\n"), ""]
    lines += ["| Key | Takes | Default | Meaning |", "|---|---|---|---|"]
    for key, value in definition["properties"].items():
        default = "" if key in required else _default(value)
        meaning = (value.get("description") or _of_section(value, definitions)).replace("|", "\\|")
        lines.append(f"| `{key}` | {_takes(value)} | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def _of_section(value: Json, definitions: dict[str, Json]) -> str:
    """What the section that a key holds says of itself, in its first paragraph."""
    for choice in (value, value.get("items", {}), *value.get("anyOf", ())):
        if "$ref" in choice:
            text: str = definitions[choice["$ref"].rpartition("/")[2]].get("description", "")
            return text.partition("\n\n")[0].replace("\n", " ")
    return ""


def _default(value: Json) -> str:
    default = value.get("default")
    if default in (None, {}, []):
        return "-"
    return f"`{json.dumps(default)}`"


def _takes(value: Json) -> str:
    """What a key takes, in words: `int` or `text`, with bounds."""
    kinds = dict.fromkeys(_kinds(value))
    if "number" in kinds:
        kinds.pop("integer", None)
    return " or ".join(kinds) or "anything"


def _kinds(value: Json) -> Iterator[str]:
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        place = _PLACES.get(name, name)
        yield f"[{place.rpartition('.')[2]}](#{place.replace('.', '').lower()})"
    elif "enum" in value:
        yield ", ".join(f"`{item}`" for item in value["enum"])
    elif "const" in value:
        yield f"`{value['const']}`"
    elif "anyOf" in value:
        for choice in value["anyOf"]:
            yield from _kinds(choice)
    elif value.get("type") == "array":
        yield f"list of {_plural(_takes(value.get('items', {})))}"
    elif value.get("type") == "object":
        inner = value.get("additionalProperties")
        yield f"mapping of names to {_takes(inner)}" if isinstance(inner, dict) else "mapping"
    elif value.get("type") != "null":
        yield _NAMES.get(value.get("type", ""), "anything") + _bounds(value)


def _plural(kind: str) -> str:
    word, _, rest = kind.partition(" ")
    return f"{word}s {rest}".strip() if word in ("number", "integer") else kind


_NAMES = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}


def _bounds(value: Json) -> str:
    words = [
        f"{word} {value[key]:g}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if key in value
    ]
    return f" ({' '.join(words)})" if words else ""


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/configuration.md")
    target.write_text(reference_page(), encoding="utf-8")
