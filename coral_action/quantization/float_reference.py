"""The float model's inner values, which the int8 model's are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from coral_action.data import Sample
from coral_action.inference import Runner
from coral_action.tflite import Tensor, TfliteModel, read_model

Array = npt.NDArray[Any]


class FloatReference:
    """A float .tflite that keeps all its tensors, looked up by name."""

    def __init__(self, content: bytes) -> None:
        self.model = read_model(content)
        self._by_name = {
            t.name: t.index
            for t in self.model.tensors
            if t.type == "FLOAT32" and not t.is_constant and t.name
        }
        self._runner = Runner(
            content,
            self.model.input_names(),
            self.model.output_names(),
            keep_all_tensors=True,
        )

    def twin(self, tensor: Tensor) -> int | None:
        """The float tensor that an int8 tensor came from: the one of its name and shape."""
        index = self._by_name.get(tensor.name)
        if index is None or self.model.tensors[index].shape != tensor.shape:
            return None
        return index

    def values(self, samples: Sequence[Sample], tensors: Sequence[int]) -> Iterator[list[Array]]:
        """For each sample the values of these tensors."""
        for sample in samples:
            self._runner.run(sample.inputs)
            yield [self._runner.value(i) for i in tensors]


def dequantized(model: TfliteModel, index: int, stored: Array) -> npt.NDArray[np.float32]:
    """Real values of an int8 activation: (stored - zero point) * scale."""
    tensor = model.tensors[index]
    if not tensor.scales:
        return stored.astype(np.float32)
    shifted = stored.astype(np.int32) - tensor.zero_points[0]
    return (shifted * np.float32(tensor.scales[0])).astype(np.float32)
