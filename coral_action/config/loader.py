"""coral.yml to `Config`: all errors at once, each with file, line, key and what to do."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from coral_action.config.schema import Config
from coral_action.config.yaml_source import (
    MAX_PROBLEMS,
    Location,
    Problem,
    YamlSource,
    read_limited,
    read_yaml,
)
from coral_action.errors import ConfigError

# Pydantic's words for the commonest slips, in the words of somebody who writes YAML.
_WORDING = {
    "missing": "is required",
    "string_type": "must be text (put it in quotes if it looks like a number)",
    "list_type": "must be a list, such as [a, b]",
    "dict_type": "must be a mapping of key: value lines",
    "model_type": "must be a mapping of key: value lines",
    "model_attributes_type": "must be a mapping of key: value lines",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
}


def load_config(path: Path) -> Config:
    """Read and check a coral.yml.

    Raises:
        ConfigError: with one line for each problem, `file:line:column: key: what is wrong`.
    """
    try:
        text = read_limited(path).decode("utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: can't be read: {error.strerror}",
            hint="name the file with --config, or let `coral-quantize init` write one",
            topic="configuration-not-found",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 text (byte {error.start})") from error
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from error
    return parse_config(text, str(path))


def parse_config(text: str, name: str) -> Config:
    """The same from text; `name` is the file's name in errors."""
    source = read_yaml(text)
    problems = list(source.problems)
    config = None
    try:
        if not isinstance(source.data, dict):
            problems = problems or [Problem(1, 1, "holds no mapping; it begins with `version: 1`")]
        else:
            config = Config.model_validate(source.data)
    except ValidationError as error:
        problems += _schema_problems(error, source)
    if config is None or problems:
        lines = [
            f"{name}:{problem.line}:{problem.column}: {problem.message}"
            for problem in sorted(set(problems), key=lambda p: (p.line, p.column, p.message))
        ]
        if len(lines) > MAX_PROBLEMS:
            lines[MAX_PROBLEMS:] = [f"and {len(lines) - MAX_PROBLEMS} more problems"]
        raise ConfigError(
            "\n".join(lines), hint="`coral-quantize schema` prints every key and what it takes"
        )
    return config


def _schema_problems(error: ValidationError, source: YamlSource) -> list[Problem]:
    return [
        Problem(*source.position(item["loc"]), _message(dict(item)))
        for item in error.errors(include_url=False)[:MAX_PROBLEMS]
    ]


def _message(item: dict[str, Any]) -> str:
    location: Location = item["loc"]
    key = _dotted(location)
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), _keys_at(location[:-1]), 1, 0.5)
        return f"{key}: unknown key" + (f'; did you mean "{close[0]}"?' if close else "")
    wording = _WORDING.get(item["type"])
    if wording is None:
        wording = item["msg"].removeprefix("Value error, ")
        wording = wording[0].lower() + wording[1:]
        if item["type"] != "value_error" and isinstance(item["input"], str | int | float | bool):
            wording += f" (it is {item['input']!r})"
    return f"{key}: {wording}" if key else wording


def _dotted(location: Location) -> str:
    text = ""
    for step in location:
        shown = str(step)[:100]
        text += f"[{step}]" if isinstance(step, int) else f".{shown}" if text else shown
    return text


def _keys_at(location: Location) -> list[str]:
    """The keys that the schema knows at a place, for suggestions."""
    model: type[BaseModel] = Config
    for step in location:
        if isinstance(step, int):
            continue
        field = model.model_fields.get(step)
        inner = _section_of(field.annotation) if field else None
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _section_of(annotation: Any) -> type[BaseModel] | None:
    """The section that a field's type holds: itself, in a list, or optional."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if (found := _section_of(part)) is not None:
            return found
    return None
