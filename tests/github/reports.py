"""A report as the pipeline makes it, without running it."""

from __future__ import annotations

from typing import Any

from coral_action.report.model import Report


def a_model(name: str = "digits", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": "ok",
        "source": {"path": f"models/{name}", "format": "savedmodel", "sha256": "0" * 64},
        "sizes": {"float_bytes": 42_000, "int8_bytes": 16_000},
        "quantization": {
            "calibrator": "min_max",
            "samples": 100,
            "io": "int8",
            "bias_correction": False,
            "seconds": 1.5,
        },
        "placement": {
            "origin": "predicted",
            "edge_tpu": 7,
            "cpu": 1,
            "subgraphs": 1,
            "operators": [
                {"index": 0, "name": "CONV_2D", "target": "edge_tpu"},
                {"index": 1, "name": "ELU", "target": "cpu", "reason": "no int8 kernel"},
            ],
        },
        "accuracy": {
            "samples": 400,
            "agreement": 0.99,
            "kernels": "xnnpack",
            "metrics": [{"name": "top1", "float": 0.99, "int8": 0.985, "drop": 0.5}],
        },
        "files": {"int8": f"coral-output/{name}_int8.tflite"},
    } | changes


def a_report(*models: dict[str, Any]) -> Report:
    tool = {"coral-quantize": "1.0.0", "tensorflow": "2.21.0"}
    return Report.model_validate({"tool": tool, "models": list(models) or [a_model()]})
