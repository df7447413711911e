"""Float .tflite and representative dataset to a verified full-integer int8 .tflite."""

from __future__ import annotations

from pathlib import Path

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import QuantizationError
from coral_action.isolation import Limits, ProgressCallback, run_isolated
from coral_action.loading import FloatModel
from coral_action.quantization.calibrators import CALIBRATORS
from coral_action.quantization.observe import Observed
from coral_action.quantization.verification import verify
from coral_action.tflite import TfliteModel, read_model

__all__ = ["Observed", "calibrate", "quantize_model"]


def calibrate(
    config: ModelConfig,
    model: FloatModel,
    paths: PathRules,
    *,
    limits: Limits | None = None,
    on_progress: ProgressCallback | None = None,
) -> Observed:
    """Observe the float model over the representative dataset, in a child process.

    Raises:
        DataError: if the data can't be read, are empty, don't fit the model or hold NaN.
    """
    request = {
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


def quantize_model(
    model: FloatModel,
    observed: Observed,
    method: str,
    target: Path,
    *,
    limits: Limits | None = None,
) -> TfliteModel:
    """Choose ranges, quantize in a child process, verify; `target` exists only if all is well.

    Raises:
        QuantizationError: if the quantizer fails, or its result is not full-integer; then
            `findings` names every operator and tensor.
    """
    partial = target.with_name(target.name + ".part")
    ranges = CALIBRATORS[method](observed)
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
        _refuse(result)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return result


def _refuse(result: TfliteModel) -> None:
    findings = verify(result)
    if findings:
        more = f" (and {len(findings) - 1} more findings)" if len(findings) > 1 else ""
        raise QuantizationError(
            f"the result is not full-integer: {findings[0].message}{more}",
            hint=findings[0].advice,
            findings=findings,
        )
