"""docs/configuration.md, made from the schema: `python -m coral_action.config.reference [FILE]`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
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


def reference_page() -> str:
    """The text of docs/configuration.md."""
    schema = json_schema()
    definitions: dict[str, Json] = schema["$defs"]
    places: dict[str, str] = {}
    _find_places(schema, "", definitions, places)
    page = _Page(definitions, places)
    sections = [page.section("The file", schema)]
    sections += [page.section(f"`{places[name]}`", definitions[name]) for name in places]
    return "\n".join([_HEAD, *sections])


def _find_places(
    section: Json, place: str, definitions: dict[str, Json], places: dict[str, str]
) -> None:
    """Where each section stands in the file (`models.limits`); several places: the first."""
    for key, value in section["properties"].items():
        for name in _references(value):
            if name not in places:
                places[name] = f"{place}.{key}".lstrip(".")
                _find_places(definitions[name], places[name], definitions, places)


def _references(value: Json) -> Iterator[str]:
    """The names of the definitions that a key may hold, in lists and mappings, too."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2]
    for part in (*value.get("anyOf", ()), value.get("items"), *_named(value)):
        if isinstance(part, dict):
            yield from _references(part)


def _named(value: Json) -> Iterator[Json]:
    """What a mapping of names holds: pydantic writes a rule for the names as a pattern."""
    inner = (value.get("additionalProperties"), *value.get("patternProperties", {}).values())
    yield from (part for part in inner if isinstance(part, dict))


@dataclass(frozen=True)
class _Page:
    """Definitions of the schema by name, and where each stands in the file."""

    definitions: dict[str, Json]
    places: dict[str, str]

    def section(self, title: str, definition: Json) -> str:
        """A heading, what the section is for, and a table of its keys."""
        required = set(definition.get("required", ()))
        lines = [f"## {title}", ""]
        paragraphs = definition.get("description", "").split("\n\n")
        lines += [line for text in paragraphs for line in (text.replace("\n", " "), "")]
        lines += ["| Key | Takes | Default | Meaning |", "|---|---|---|---|"]
        for key, value in definition["properties"].items():
            default = "" if key in required else _default(value)
            meaning = (value.get("description") or self._purpose(value)).replace("|", "\\|")
            lines.append(f"| `{key}` | {self._takes(value)} | {default} | {meaning} |")
        return "\n".join(lines) + "\n"

    def _purpose(self, value: Json) -> str:
        """What the section that a key holds says of itself, in its first paragraph."""
        for name in _references(value):
            text: str = self.definitions[name].get("description", "")
            return text.partition("\n\n")[0].replace("\n", " ")
        return ""

    def _takes(self, value: Json) -> str:
        """What a key takes, in words: `integer` or `text`, with bounds."""
        kinds = dict.fromkeys(self._kinds(value))
        if "number" in kinds:
            kinds.pop("integer", None)
        return " or ".join(kinds) or "anything"

    def _kinds(self, value: Json) -> Iterator[str]:
        if "$ref" in value:
            place = self.places[value["$ref"].rpartition("/")[2]]
            yield f"[{place.rpartition('.')[2]}](#{place.replace('.', '').lower()})"
        elif "enum" in value:
            yield ", ".join(f"`{item}`" for item in value["enum"])
        elif "const" in value:
            yield f"`{value['const']}`"
        elif "anyOf" in value:
            for choice in value["anyOf"]:
                yield from self._kinds(choice)
        elif value.get("type") == "array":
            yield f"list of {_plural(self._takes(value.get('items', {})))}"
        elif value.get("type") == "object":
            named = [f"mapping of names to {self._takes(inner)}" for inner in _named(value)]
            yield from named or ["mapping"]
        elif value.get("type") != "null":
            yield _NAMES.get(value.get("type", ""), "anything") + _bounds(value)


def _default(value: Json) -> str:
    default = value.get("default")
    if default in (None, {}, []):
        return "-"
    return f"`{json.dumps(default)}`"


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
