"""A report made small enough to be kept in a check run, where a pull request finds it again."""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any

from pydantic import ValidationError

from coral_action.report.model import Report

_CHARACTERS = 60_000  # of 65,535 that a check run's text takes
_BYTES = 4 * 1024 * 1024  # of JSON, unpacked
_MARK = re.compile(r"<!-- coral-quantize:report ([A-Za-z0-9+/=]+) -->")
# What a comparison needs. The rest is in the files of the run that it comes from.
_KEPT = ("name", "status", "source", "sizes", "placement", "accuracy", "edge_tpu", "quantization")
_LARGE = ("flips", "confusion", "classes", "layers", "worst", "tried", "activations")


def pack(report: Report) -> str:
    """The report as an invisible line of Markdown; empty if it can't be made to fit."""
    whole = report.to_json()
    small = {**{k: v for k, v in whole.items() if k != "baseline"}, "models": []}
    small["models"] = [_small(model) for model in whole["models"]]
    for attempt in (small, _without_operators(small)):
        packed = base64.b64encode(zlib.compress(json.dumps(attempt).encode(), 9)).decode()
        if len(packed) <= _CHARACTERS:
            return f"<!-- coral-quantize:report {packed} -->"
    return ""


def unpack(text: str) -> Report | None:
    """The report in a check run's text; None where there is none, or none of this version."""
    match = _MARK.search(text)
    if match is None:
        return None
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(match[1], validate=True), _BYTES)
        return Report.model_validate_json(data) if inflate.eof else None
    except (ValueError, zlib.error, ValidationError):
        return None


def _small(model: dict[str, Any]) -> dict[str, Any]:
    kept = {key: _without(model[key], _LARGE) for key in _KEPT if key in model}
    if operators := kept.get("placement", {}).get("operators"):
        names = ("index", "name", "target")
        kept["placement"]["operators"] = [{n: o[n] for n in names} for o in operators]
    return kept


def _without(value: Any, keys: tuple[str, ...]) -> Any:
    """Plain data without these keys, at the first level."""
    if not isinstance(value, dict):
        return value
    return {key: inner for key, inner in value.items() if key not in keys}


def _without_operators(small: dict[str, Any]) -> dict[str, Any]:
    models = [dict(model) for model in small["models"]]
    for model in models:
        if "placement" in model:
            model["placement"] = {**model["placement"], "operators": []}
    return {**small, "models": models}
