"""The float model as the quantizer is to see it: rewritten, and equalized where that is asked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from coral_action.findings import Finding
from coral_action.quantization.equalization import equalize
from coral_action.quantization.names import distinct_names
from coral_action.quantization.rewrites import rewrite

if TYPE_CHECKING:
    from coral_action.config.schema import ModelConfig


@dataclass(frozen=True)
class Prepared:
    """The float .tflite to observe and quantize, and what was done to it."""

    path: Path
    equalized: bool
    rewrites: tuple[str, ...]
    findings: tuple[Finding, ...]


def prepare(source: Path, config: ModelConfig, scratch: Path) -> Prepared:
    """Rewrite and equalize as coral.yml has it; the source itself where nothing changes.

    Raises:
        ModelError: if the file is no TFLite flatbuffer.
        QuantizationError: if two of its inputs, or outputs, have the same name.
    """
    original = source.read_bytes()
    content = distinct_names(original)
    lines: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    if config.quantization.rewrites:
        rewritten = rewrite(content)
        content, lines, findings = rewritten.content, rewritten.changes, rewritten.findings
    equalized = False
    if config.quantization.cross_layer_equalization:
        content, pairs = equalize(content)
        equalized = pairs > 0
    if content is original:
        return Prepared(source, equalized, lines, findings)
    path = scratch / "prepared.tflite"
    path.write_bytes(content)
    return Prepared(path, equalized, lines, findings)
