"""Reports to render: one recorded from a real run, the others made up to hold every section."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path
from typing import Any

from coral_action.report.model import Report

DATA = Path(__file__).parent / "data"
DIGITS = Path(__file__).parents[2] / "examples" / "digits" / "data"
TOOLS = {"coral-quantize": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0"}

Plain = dict[str, Any]


def digits() -> Report:
    """What a real run over examples/digits wrote, with the first version of this program."""
    return Report.read(DATA / "digits-v1.json")


def report_of(*models: Plain, **more: Any) -> Report:
    """A report from plain data, as a file would have it."""
    return Report.from_data(
        {
            "schema_version": 1,
            "tool": TOOLS,
            "models": list(models),
            "created": "2026-11-23T12:00:00Z",
            "config_file": "models/coral.yml",
            **more,
        }
    )


def operators(count: int, on_cpu: dict[int, tuple[str, str, str]] | None = None) -> list[Plain]:
    """A chain with a residual connection every sixth operator."""
    names = ("CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD")
    found = []
    for index in range(count):
        operator: Plain = {
            "index": index,
            "name": names[index % len(names)],
            "target": "edge_tpu",
            "tensor": f"model/block_{index // 6}/{names[index % 6].lower()}/Relu6;{index}",
            "inputs": [index - 1] if index else [],
        }
        if index % 6 == 5:
            operator["inputs"] = [index - 4, index - 1]
        if on_cpu and index in on_cpu:
            name, reason, advice = on_cpu[index]
            operator |= {"target": "cpu", "name": name, "reason": reason, "advice": advice}
            operator["rule"] = "CQ110"
        found.append(operator)
    return found


def placement(placed: list[Plain], origin: str = "compiler") -> Plain:
    """The section from its operators."""
    cpu = sum(operator["target"] == "cpu" for operator in placed)
    return {
        "origin": origin,
        "edge_tpu": len(placed) - cpu,
        "cpu": cpu,
        "subgraphs": 1,
        "operators": placed,
    }


RESIZE = (
    "RESIZE_BILINEAR",
    "it has half-pixel centers, which the Edge TPU's RESIZE_BILINEAR has not",
    "set half_pixel_centers to false in the model, and train a few steps more",
)
LATE = (
    "CONV_2D",
    "it comes after an operator that stays on the CPU",
    "set `outputs` to cut the model before that operator, or replace that one",
)


def metric(name: str, before: float, after: float, **more: Any) -> Plain:
    """A metric of right answers."""
    return {
        "name": name,
        "float": before,
        "int8": after,
        "drop": round((before - after) * 100, 6),
        **more,
    }


def good() -> Plain:
    """A model for which all is well, with the sections of a complete run."""
    return {
        "name": "mobilenet_v2_224",
        "status": "ok",
        "line": 4,
        "source": {
            "path": "models/mobilenet_v2",
            "format": "saved_model",
            "sha256": "586d632cf9e2a470d4456605865a5339697c6da75e3022ef95cbcfdee72abc6d",
        },
        "sizes": {"float_bytes": 13_978_596, "int8_bytes": 3_901_264, "edgetpu_bytes": 4_162_448},
        "quantization": {
            "calibrator": "percentile 99.99",
            "samples": 200,
            "io": "int8",
            "bias_correction": True,
            "seconds": 7.4,
            "tried": [
                {"calibrator": "min_max", "sqnr_db": 22.4, "agreement": 0.961},
                {
                    "calibrator": "percentile 99.99",
                    "sqnr_db": 25.1,
                    "agreement": 0.982,
                    "chosen": True,
                },
                {"calibrator": "mse", "sqnr_db": 24.7, "agreement": 0.978},
            ],
        },
        "placement": placement(operators(65)),
        "accuracy": {
            "samples": 1000,
            "agreement": 0.982,
            "kernels": "xnnpack",
            "metrics": [
                metric("top1", 0.718, 0.714, interval=[-0.5, 1.3], p_value=0.42),
                metric("top5", 0.908, 0.906, interval=[-0.2, 0.6], p_value=0.69),
            ],
            "flips": {"lost": 11, "gained": 7, "changed": 3, "worst": flips()},
            "classes": [
                {"name": "tabby cat", "samples": 12, "float": 0.75, "int8": 0.5, "drop": 25.0},
                {"name": "minivan", "samples": 9, "float": 0.889, "int8": 0.778, "drop": 11.1},
            ],
            "confusion": {
                "classes": ["tabby cat", "minivan"],
                "float": [[9, 3], [1, 8]],
                "int8": [[6, 6], [2, 7]],
            },
            "kernel_check": {
                "kernels": "builtin",
                "other": "xnnpack",
                "samples": 1000,
                "different": 4,
                "largest_error": 0.008,
            },
            "reference_check": {
                "reference": "original",
                "samples": 16,
                "agreement": 1.0,
                "cosine": 0.99999,
                "largest_error": 0.0001,
            },
            "outputs": [
                {
                    "name": "probabilities",
                    "cosine": 0.9981,
                    "sqnr_db": 25.1,
                    "largest_error": 0.113,
                }
            ],
        },
        "edge_tpu": {
            "compiler_version": "16.0.384591198",
            "runtime_version": 14,
            "on_chip_bytes": 3_575_808,
            "on_chip_free_bytes": 4_404_019,
            "off_chip_bytes": 0,
            "macs": 300_774_272,
            "latency_ms": 2.6,
            "latency_low_ms": 0.9,
            "latency_high_ms": 8.8,
            "latency_source": "the cycles in the compiled file",
            "activations": [{"name": "block_1/expand/Relu6", "bytes": 1_204_224}],
        },
        "layers": layers(),
        "interface": interface(),
        "calibration": data_set("calibration", 200),
        "evaluation_data": data_set("test", 1000),
        "limits": [
            limit("accuracy_drop", 1.0, 0.4),
            limit("int8_size", 4 * 2**20, 3_901_264),
            limit("cpu_operators", 0, 0),
        ],
        "files": {
            "int8": "coral-output/mobilenet_v2_224_int8.tflite",
            "edgetpu": "coral-output/mobilenet_v2_224_int8_edgetpu.tflite",
            "edgetpu_log": "coral-output/mobilenet_v2_224_int8_edgetpu.log",
            "labels": "coral-output/mobilenet_v2_224_labels.txt",
        },
        "reproduce": 'docker run --rm --volume "$PWD:/github/workspace" coral-quantize:0.1.0 '
        "run --config models/coral.yml --model mobilenet_v2_224",
        "seconds": {"loading": 5.1, "quantization": 7.4, "evaluation": 18.2, "total": 33.0},
    }


def interface(**changes: Any) -> Plain:
    """One image in, a score for each of a thousand classes out."""
    return {
        "inputs": [
            {
                "name": "image",
                "shape": [1, 224, 224, 3],
                "dtype": "int8",
                "scale": 1 / 127.5,
                "zero_point": -1,
            }
        ],
        "outputs": [
            {
                "name": "probabilities",
                "shape": [1, 1000],
                "dtype": "int8",
                "scale": 1 / 256,
                "zero_point": -128,
            }
        ],
        "images": [{"input": "image", "color": "rgb", "mean": [127.5] * 3, "std": [127.5] * 3}],
        **changes,
    }


def limit(name: str, most: float, value: float, line: int | None = None) -> Plain:
    """One limit, held or not."""
    return {"name": name, "limit": most, "value": value, "passed": value <= most, "line": line}


def exceeded() -> Plain:
    """A model that lost too much, with operators on the CPU and findings."""
    on_cpu = {40: RESIZE, **dict.fromkeys(range(41, 48), LATE)}
    return good() | {
        "name": "deeplab_slim",
        "status": "limit_exceeded",
        "line": 12,
        "placement": placement(operators(48, on_cpu)),
        "interface": interface(
            outputs=[{"name": "segments", "shape": [1, 65, 65, 21], "dtype": "int8"}]
        ),
        "accuracy": {
            "samples": 400,
            "agreement": 0.913,
            "kernels": "builtin",
            "metrics": [metric("mean_iou", 0.682, 0.659, interval=[1.1, 3.4])],
            "outputs": [
                {"name": "segments", "cosine": 0.981, "sqnr_db": 14.2, "largest_error": 6.1}
            ],
        },
        "limits": [
            limit("accuracy_drop", 1.0, 2.3, 24),
            limit("int8_size", 4 * 2**20, 3_901_264, 25),
            limit("cpu_operators", 0, 8, 26),
        ],
        "findings": [
            {
                "id": "CQ301",
                "severity": "warning",
                "message": "6 of 100 calibration images are black",
                "advice": "Remove them: they stretch the input scale",
                "sample": "data/calibration/0023.png",
            },
            {
                "id": "CQ110",
                "severity": "info",
                "message": "RESIZE_BILINEAR has half-pixel centers",
                "operator": "RESIZE_BILINEAR",
                "tensor": "decoder/resize",
            },
        ],
    }


def failed() -> Plain:
    """A model that could not be loaded."""
    return {
        "name": "keyword_gru",
        "status": "failed",
        "line": 31,
        "source": {"path": "models/gru.pb", "format": "frozen_graph"},
        "error": {
            "kind": "model",
            "message": "models/gru.pb: the graph has a loop (while/Exit), which the Edge TPU "
            "compiler refuses",
            "hint": "export the model with unrolled recurrent layers",
        },
        "seconds": {"loading": 3.2, "total": 3.2},
    }


def mixed() -> Report:
    """One of each kind, with a baseline to compare with."""
    from coral_action.report.baseline import with_baseline

    return with_baseline(report_of(exceeded(), failed(), good()), earlier())


def earlier() -> Report:
    """The same models some time before: one operator less on the CPU, a smaller and better one."""
    before = exceeded() | {"status": "ok"}
    before["placement"] = placement(operators(48))
    before["sizes"] = {"float_bytes": 13_978_596, "int8_bytes": 3_700_000}
    before["accuracy"] = {
        **before["accuracy"],
        "metrics": [metric("mean_iou", 0.682, 0.748, interval=[-0.4, 0.9])],
    }
    return report_of(before, good(), good() | {"name": "retired_model"})


def large(models: int, count: int, on_cpu: int = 120) -> Report:
    """Many large models, each with all sections and a good part of it on the CPU."""
    reasons = {
        count - 1 - index: (
            f"CUSTOM_{index % 40}",
            f"the Edge TPU has no CUSTOM_{index % 40} on tensors of rank {index % 7}",
            "replace it, or set `outputs` to cut the model before it",
        )
        for index in range(on_cpu)
    }
    placed = placement(operators(count, reasons))
    made = []
    for index in range(models):
        most = 0 if index % 4 == 2 else on_cpu
        made.append(
            exceeded()
            | {
                "name": f"model_{index:02}_with_a_rather_long_name",
                "status": "limit_exceeded" if index % 4 == 2 else "ok",
                "placement": placed,
                "limits": [limit("cpu_operators", most, on_cpu, 10 + index)],
            }
        )
    return report_of(*made)


def flips() -> list[Plain]:
    """Some samples that changed, with their pictures."""
    pictures = [DIGITS / "test" / str(digit) for digit in range(6)]
    return [
        {
            "sample": f"test/{folder.name}/{next(iter(sorted(folder.iterdir()))).name}",
            "kind": "lost",
            "label": folder.name,
            "float_choice": folder.name,
            "int8_choice": str((int(folder.name) + 3) % 10),
            "float_score": 0.61,
            "int8_score": 0.47,
            "loss": 0.3,
            "thumbnail": _uri(sorted(folder.iterdir())[0].read_bytes()),
        }
        for folder in pictures
    ]


def layers() -> list[Plain]:
    """Ten layers with histograms of bell-shaped values."""
    found = []
    for index in range(10):
        width = 1.0 + index
        counts = [round(20_000 * math.exp(-(((b - 24) / 6) ** 2))) for b in range(48)]
        found.append(
            {
                "name": f"block_{index}/depthwise/Relu6;block_{index}/batch_norm",
                "operator": "DEPTHWISE_CONV_2D",
                "index": index,
                "sqnr_db": 12.5 + 1.7 * index,
                "activations": {
                    "low": -width,
                    "high": width,
                    "counts": counts,
                    "int8_low": -width * 0.8,
                    "int8_high": width * 0.8,
                },
                "weights": {"low": -0.4, "high": 0.5, "counts": counts[::-1]},
            }
        )
    return found


def data_set(folder: str, count: int) -> Plain:
    """A manifest with a contact sheet of real images."""
    from PIL import Image

    sheet = Image.new("L", (10 * 29, 29), 128)
    for digit in range(10):
        picture = sorted((DIGITS / "test" / str(digit)).iterdir())[1]
        with Image.open(picture) as image:
            sheet.paste(image.convert("L").resize((28, 28)), (digit * 29, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return {
        "count": count,
        "available": count * 2,
        "source": f"images: data/{folder}",
        "seed": 0,
        "sha256": "3f8c30d2060087703d4986f3a070e23f570fb3f8aa5c48187ca88727aec022b6",
        "files": [{"name": f"data/{folder}/{index:04}.png"} for index in range(count)],
        "channels": [{"name": "gray", "low": -1, "high": 1, "mean": -0.41, "std": 0.72}],
        "sheet": _uri(buffer.getvalue()),
    }


def _uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
