"""Float .tflite and representative dataset to a verified full-integer int8 .tflite."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import QuantizationError
from coral_action.findings import Finding
from coral_action.isolation import Limits, ProgressCallback, run_isolated
from coral_action.loading import FloatModel
from coral_action.quantization.calibrators import CALIBRATORS
from coral_action.quantization.observe import Observed
from coral_action.quantization.verification import verify
from coral_action.tflite import TfliteModel, read_model

__all__ = ["Int8Model", "quantize_model"]


@dataclass(frozen=True)
class Int8Model:
    """A verified full-integer model and how it came about."""

    path: Path
    model: TfliteModel
    calibrator: str
    samples: int
    io: str  # dtype of inputs and outputs
    bias_correction: bool
    findings: tuple[Finding, ...]
    seconds: dict[str, float]  # by stage: calibration, quantization


def quantize_model(
    config: ModelConfig,
    model: FloatModel,
    paths: PathRules,
    target: Path,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Int8Model:
    """Calibrate, quantize and verify; `target` is written only if all is well.

    The model and the data are touched in child processes only.

    Raises:
        DataError: if the data can't be read, are empty, don't fit the model or hold NaN.
        QuantizationError: if the quantizer fails, or its result is not full-integer; then
            `findings` names every operator and tensor.
    """
    started = time.monotonic()
    observed = _calibrate(config, model, paths, limits, on_progress)
    calibrated = time.monotonic()
    method = config.calibration.method
    result = _quantize(model, CALIBRATORS[method](observed), target, limits)
    return Int8Model(
        path=target,
        model=result,
        calibrator=method,
        samples=observed.samples,
        io="int8",
        bias_correction=False,
        findings=(),
        seconds={
            "calibration": calibrated - started,
            "quantization": time.monotonic() - calibrated,
        },
    )


def _calibrate(
    config: ModelConfig,
    model: FloatModel,
    paths: PathRules,
    limits: Limits | None,
    on_progress: ProgressCallback | None,
) -> Observed:
    request: dict[str, Any] = {
        "model": model.to_json(),
        "calibration": config.calibration.model_dump(mode="json"),
        "preprocess": config.preprocess.model_dump(mode="json"),
        "paths": paths.to_json(),
    }
    result = run_isolated(
        "coral_action.quantization.observe:observe_task",
        request,
        stage="calibration",
        limits=limits,
        on_progress=on_progress,
    )
    ranges = {int(index): (float(low), float(high)) for index, low, high in result["ranges"]}
    return Observed(ranges, int(result["samples"]))


def _quantize(
    model: FloatModel,
    ranges: dict[int, tuple[float, float]],
    target: Path,
    limits: Limits | None,
) -> TfliteModel:
    partial = target.with_name(target.name + ".part")
    request = {
        "model": str(model.path),
        "ranges": [[index, low, high] for index, (low, high) in ranges.items()],
        "output": str(partial),
    }
    try:
        run_isolated(
            "coral_action.quantization.quantizer:quantize_task",
            request,
            stage="quantization",
            limits=limits,
        )
        result = read_model(partial)
        _refuse(verify(result))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return result


def _refuse(findings: list[Finding]) -> None:
    if findings:
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        raise QuantizationError(
            f"the result is not full-integer: {findings[0].message}{more}",
            hint=findings[0].advice,
            findings=findings,
        )
