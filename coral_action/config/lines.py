"""At which lines of coral.yml the models and their limits stand, for annotations and SARIF."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from coral_action.config.yaml_source import read_limited, read_yaml


@dataclass(frozen=True)
class ModelLines:
    """Lines of one model, counted from 1: where it begins, and each of its limits by name."""

    model: int
    limits: dict[str, int] = field(default_factory=dict)


def model_lines(path: Path) -> dict[str, ModelLines]:
    """The lines of each model by its name; empty where the file can't be read."""
    try:
        source = read_yaml(read_limited(path).decode("utf-8"))
    except (OSError, ValueError):
        return {}
    models = source.data.get("models") if isinstance(source.data, dict) else None
    found = {}
    for index, model in enumerate(models if isinstance(models, list) else ()):
        if not isinstance(model, dict):
            continue
        place = ("models", index)
        limits = model.get("limits")
        found[str(model.get("name"))] = ModelLines(
            model=source.position(place)[0],
            limits={
                str(name): source.position((*place, "limits", name))[0]
                for name in (limits if isinstance(limits, dict) else ())
            },
        )
    return found
