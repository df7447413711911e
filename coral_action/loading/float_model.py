"""What every model file becomes: a static, batch-1, float .tflite with named inputs and outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coral_action.tflite import TfliteModel


@dataclass(frozen=True)
class TensorSpec:
    """An input or output: its name, its shape with the batch dimension of 1, its numpy dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class FloatModel:
    """A float .tflite and its interface.

    `conversion_error` is the largest relative difference to the original model in TensorFlow on a
    few made inputs; None where that was not looked at.
    """

    path: Path
    format: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    conversion_error: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data, to hand on to a child process."""
        return {**asdict(self), "path": str(self.path)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> FloatModel:
        """The inverse of `to_json`."""
        specs = {
            key: tuple(
                TensorSpec(item["name"], tuple(item["shape"]), item["dtype"]) for item in data[key]
            )
            for key in ("inputs", "outputs")
        }
        return cls(
            Path(data["path"]), data["format"], **specs, conversion_error=data["conversion_error"]
        )


def interface_of(model: TfliteModel) -> dict[str, tuple[TensorSpec, ...]]:
    """The `inputs` and `outputs` of a flatbuffer, in the order of the file."""
    named = {"inputs": model.input_names(), "outputs": model.output_names()}
    return {
        key: tuple(
            TensorSpec(name, model.tensors[index].shape, model.tensors[index].dtype)
            for name, index in names.items()
        )
        for key, names in named.items()
    }
