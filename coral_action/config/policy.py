"""Gates: what of coral.yml a pull request could weaken to pass, and what it changes of that.

A gate is a model's `limits`, the `evaluation` that its accuracy limit is measured with and the
downloads that this names, and the findings that are silenced. Pure functions over two configs: that
of the base branch and one's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from coral_action.config.download_schema import DownloadConfig
from coral_action.config.limits_schema import LimitsConfig
from coral_action.config.paths import DOWNLOAD
from coral_action.config.schema import Config, ModelConfig
from coral_action.config.section import Section


@dataclass(frozen=True)
class GateChange:
    """One gate, before (the base branch) and after (the pull request); None: not set.

    `gate` is a limit's name, `evaluation`, `download NAME`, `ignore`, or `model` for a model with
    limits that is gone. `source` and `preprocess` are no gates, but what an accuracy limit is
    measured on. `model` is empty for what holds for all models. `weaker`: it lets more through;
    for `evaluation` and downloads, nobody can tell, so that they count as weaker.
    """

    model: str
    gate: str
    before: str | None
    after: str | None
    weaker: bool


def gate_changes(base: Config, own: Config) -> list[GateChange]:
    """Every gate that differs, in the order of the base's coral.yml."""
    mine = {model.name: model for model in own.models}
    changes: list[GateChange] = []
    for model in base.models:
        if model.name in mine:
            changes += _of_model(model, mine[model.name])
        elif gates := _set(model.limits):
            listed = ", ".join(f"{name} {_shown(value)}" for name, value in gates.items())
            changes.append(GateChange(model.name, "model", listed, None, weaker=True))
    known = {model.name for model in base.models}
    for model in own.models:
        if model.name not in known:
            changes += _of_limits(model.name, LimitsConfig(), model.limits)
    for name in sorted(_held_downloads(base)):
        files = base.downloads.get(name), own.downloads.get(name)
        if files[0] != files[1]:
            told = [None if file is None else _file(file) for file in files]
            changes.append(GateChange("", f"download {name}", told[0], told[1], weaker=True))
    before, after = (", ".join(sorted(set(config.ignore))) or None for config in (base, own))
    if before != after:
        weaker = bool(set(own.ignore) - set(base.ignore))
        changes.append(GateChange("", "ignore", before, after, weaker=weaker))
    return changes


def with_gates_of(base: Config, own: Config) -> Config:
    """One's own config with the gates of the base branch, for all models that both have.

    A new model keeps its own gates: the base branch says nothing of it. A download that the base's
    evaluation names is the base's own wherever it is named.
    """
    theirs = {model.name: model for model in base.models}
    models = [
        model.model_copy(update=_gates(theirs[model.name], model))
        if model.name in theirs
        else model
        for model in own.models
    ]
    held = {name: base.downloads[name] for name in _held_downloads(base) & set(base.downloads)}
    downloads = {**own.downloads, **held}
    return own.model_copy(update={"models": models, "ignore": base.ignore, "downloads": downloads})


def removed_gates(base: Config, own: Config) -> list[str]:
    """Names of models that have limits on the base branch and are gone."""
    mine = {model.name for model in own.models}
    return [model.name for model in base.models if model.name not in mine and _set(model.limits)]


def _gates(base: ModelConfig, own: ModelConfig) -> dict[str, Any]:
    """An accuracy limit is worth no more than the data and the metric that it is measured with."""
    gates: dict[str, Any] = {"limits": base.limits}
    if base.limits.accuracy_drop is not None:
        gates["evaluation"] = base.evaluation
    return gates


def _held_downloads(base: Config) -> set[str]:
    """Names of the downloads that the evaluation behind a limit on the accuracy names."""
    held = [m.evaluation for m in base.models if m.limits.accuracy_drop is not None]
    told = [evaluation.model_dump(mode="json") for evaluation in held if evaluation is not None]
    return {text.removeprefix(DOWNLOAD).partition("/")[0] for text in _texts(told)}


def _texts(value: Any) -> Iterator[str]:
    """Every text that names a download, however deep."""
    if isinstance(value, str) and value.startswith(DOWNLOAD):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def _file(download: DownloadConfig) -> str:
    unpacked = "" if download.unpack is None else f", unpack: {download.unpack}"
    return f"{download.url}, sha256: {download.sha256}{unpacked}"


def _of_model(base: ModelConfig, own: ModelConfig) -> Iterator[GateChange]:
    yield from _of_limits(base.name, base.limits, own.limits)
    if base.limits.accuracy_drop is None:
        return
    if base.evaluation != own.evaluation:
        before, after = (_sketch(model.evaluation) for model in (base, own))
        yield GateChange(base.name, "evaluation", before, after, weaker=True)
    if base.source != own.source:
        yield GateChange(base.name, "source", base.source, own.source, weaker=False)
    if base.preprocess != own.preprocess:
        before, after = (_sketch(model.preprocess) for model in (base, own))
        yield GateChange(base.name, "preprocess", before, after, weaker=False)


def _of_limits(name: str, base: LimitsConfig, own: LimitsConfig) -> Iterator[GateChange]:
    before, after = _set(base), _set(own)
    for limit in LimitsConfig.model_fields:
        old, new = before.get(limit), after.get(limit)
        if old != new:
            weaker = old is not None and (new is None or _is_weaker(old, new))
            yield GateChange(name, limit, _shown(old), _shown(new), weaker)


def _set(limits: LimitsConfig) -> dict[str, Any]:
    """The limits that are set: numbers, or mappings such as {max, confidence}."""
    return limits.model_dump(exclude_none=True)


def _is_weaker(old: Any, new: Any) -> bool:
    """Whether a larger value passes; with a confidence, a loss that may be chance passes."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return bool(new > old)
    surer, sure = (value.get("confidence") or 0.0 for value in (new, old))
    return bool(new["max"] > old["max"] or surer > sure)


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict):
        rest = {key: item for key, item in value.items() if key != "max"}
        added = "".join(f", {key} {_shown(item)}" for key, item in rest.items())
        return f"{_shown(value['max'])}{added}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sketch(section: Section | None) -> str | None:
    """A section in a line: every key that is set."""
    if section is None:
        return None
    told = section.model_dump(exclude_defaults=True, mode="json")
    return ", ".join(f"{key}: {value}" for key, value in told.items()) or None
