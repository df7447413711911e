"""Is it fit to be quantized, and is the result really full-integer? All findings, not the first."""

from __future__ import annotations

from coral_action.findings import Finding
from coral_action.quantization.verification.float_checks import constants
from coral_action.quantization.verification.int8_checks import CHECKS, label
from coral_action.tflite import TfliteModel

__all__ = ["label", "verify", "verify_float"]


def verify(model: TfliteModel) -> list[Finding]:
    """Everything that keeps a model from being full-integer; empty when it is."""
    return [finding for check in CHECKS for finding in check(model)]


def verify_float(model: TfliteModel) -> list[Finding]:
    """Everything in a float model that no quantizer can mend."""
    return list(constants(model))
