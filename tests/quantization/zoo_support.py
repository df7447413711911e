"""What tests of quantization share: the models of zoo.py, and all their inner values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from coral_action.data import Sample
from coral_action.loading import FloatModel
from coral_action.loading.float_model import interface_of
from coral_action.quantization import Int8Model
from coral_action.quantization.graph import Graph
from coral_action.tflite import read_model

Quantize = Callable[..., Int8Model]


class Zoo:
    """The models of zoo.py with their samples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.tflite"

    def content(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def samples(self, name: str, count: int = 100) -> list[Sample]:
        array = np.load(self.folder / f"{name}.npy")[:count]
        return [Sample(f"{name}.npy[{i}]", {"x": s[None]}, None) for i, s in enumerate(array)]

    def float_model(self, name: str) -> FloatModel:
        path = self.path(name)
        return FloatModel(path, "saved_model", **interface_of(read_model(path)))


def every_tensor(content: bytes, samples: list) -> dict[int, np.ndarray]:
    """All values of all float activations, from litert's own kernels and plain outputs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    graph = Graph(content)
    inner = [i for i, op in graph.activations() if op is not None and graph.is_float(i)]
    graph.outputs = inner
    graph.model.signatureDefs = []
    interpreter = Interpreter(
        model_content=graph.pack(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    interpreter.allocate_tensors()
    (place,) = graph.inputs
    values: dict[int, list[np.ndarray]] = {i: [] for i in [place, *inner]}
    for sample in samples:
        interpreter.set_tensor(place, sample.inputs["x"])
        interpreter.invoke()
        for index in values:
            values[index].append(interpreter.get_tensor(index))
    return {index: np.stack(arrays) for index, arrays in values.items()}
