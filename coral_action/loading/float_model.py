"""What every model file becomes: a static, batch-1, float .tflite with named inputs and outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

from coral_action.findings import Finding, Severity
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

    `already_quantized` marks a source that is full-integer already: `path` is then that model,
    ready to be compiled, and there is no float model to compare it with. `conversion_checked`: what
    it computes was held against the original, where there is one; see `check_conversion`.
    """

    path: Path
    format: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    already_quantized: bool = False
    conversion_checked: bool = True
    findings: tuple[Finding, ...] = ()

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
        findings = tuple(
            Finding(**{**item, "severity": Severity(item["severity"])}) for item in data["findings"]
        )
        return cls(
            Path(data["path"]),
            data["format"],
            **specs,
            already_quantized=data["already_quantized"],
            conversion_checked=data["conversion_checked"],
            findings=findings,
        )


class Interface(TypedDict):
    """The `inputs` and `outputs` of a `FloatModel`."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def interface_of(model: TfliteModel) -> Interface:
    """The `inputs` and `outputs` of a flatbuffer, in the order of the file."""
    return {
        "inputs": _specs(model, model.input_names()),
        "outputs": _specs(model, model.output_names()),
    }


def _specs(model: TfliteModel, names: dict[str, int]) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name, model.tensors[index].shape, model.tensors[index].dtype)
        for name, index in names.items()
    )
