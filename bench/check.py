"""Wall time of `coral-quantize check` on a model of 4 MB: whole process, start to end.

Run: python bench/check.py [MODEL.tflite] [--runs N]
Without a model it makes one: 100 convolutions of 1x1 with 4 MB of weights.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import machine

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

_LAYERS, _CHANNELS = 100, 200


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or Path(folder) / "four_megabytes.tflite"
        if options.model is None:
            model.write_bytes(four_megabytes())
        code = "from coral_action.commands.check import check; check()"
        command = [sys.executable, "-c", code, str(model), "--json"]
        seconds = []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(options.runs):
            began = time.perf_counter()
            subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = model.stat().st_size
    work = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(machine())
    print(
        f"check on {size / 1e6:.1f} MB: median {statistics.median(seconds):.3f} s, "
        f"best {min(seconds):.3f} s, worst {max(seconds):.3f} s of {options.runs} runs; "
        f"processor time {work / options.runs:.3f} s a run"
    )


def four_megabytes() -> bytes:
    """An int8 model whose weights take 4 MB, with as many operators as a usual network has."""
    from coral_action.tflite import pack, schema

    api = schema()
    model, graph = api.ModelT(), api.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [api.BufferT()]
    code = api.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = api.BuiltinOperator.CONV_2D
    code.version = 3
    model.operatorCodes = [code]
    graph.tensors, graph.operators = [], []

    def tensor(name: str, shape: list[int], type_: int, data: np.ndarray | None = None) -> int:
        item = api.TensorT()
        item.name, item.shape, item.type, item.buffer = name, shape, type_, 0
        item.quantization = api.QuantizationParametersT()
        item.quantization.scale, item.quantization.zeroPoint = [0.02], [0]
        if data is not None:
            buffer = api.BufferT()
            buffer.data = data.view(np.uint8).reshape(-1)
            model.buffers.append(buffer)
            item.buffer = len(model.buffers) - 1
        graph.tensors.append(item)
        return len(graph.tensors) - 1

    shape = [1, 28, 28, _CHANNELS]
    random = np.random.default_rng(0)
    last = tensor("input", shape, api.TensorType.INT8)
    graph.inputs = [last]
    for layer in range(_LAYERS):
        weights = random.integers(-127, 127, (_CHANNELS, 1, 1, _CHANNELS), np.int8)
        operator = api.OperatorT()
        operator.opcodeIndex = 0
        operator.builtinOptionsType = api.BuiltinOptions.Conv2DOptions
        operator.builtinOptions = api.Conv2DOptionsT()
        operator.inputs = [
            last,
            tensor(f"w{layer}", list(weights.shape), api.TensorType.INT8, weights),
            tensor(f"b{layer}", [_CHANNELS], api.TensorType.INT32, np.zeros(_CHANNELS, np.int32)),
        ]
        last = tensor(f"conv{layer}", shape, api.TensorType.INT8)
        operator.outputs = [last]
        graph.operators.append(operator)
    graph.outputs = [last]
    return pack(model)


if __name__ == "__main__":
    main()
