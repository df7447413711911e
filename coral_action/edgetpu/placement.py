"""Which operators run on the Edge TPU and which stay on the CPU, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from coral_action.edgetpu.operators import why_not_mapped
from coral_action.tflite import TfliteModel

EDGE_TPU_OPERATOR = "CUSTOM:edgetpu-custom-op"

Target = Literal["edge_tpu", "cpu"]


@dataclass(frozen=True)
class OperatorPlacement:
    """Where one operator of the int8 model runs; reason and advice where it stays on the CPU."""

    index: int
    name: str
    target: Target
    reason: str = ""
    advice: str = ""


@dataclass(frozen=True)
class Placement:
    """Where every operator of a model runs, as the compiler did it or as predicted."""

    origin: Literal["compiler", "predicted"]
    operators: tuple[OperatorPlacement, ...]
    subgraphs: int

    @property
    def edge_tpu(self) -> int:
        """How many operators run on the Edge TPU."""
        return sum(operator.target == "edge_tpu" for operator in self.operators)

    @property
    def cpu(self) -> int:
        """How many operators stay on the CPU."""
        return len(self.operators) - self.edge_tpu


def predict(model: TfliteModel) -> Placement:
    """What the compiler will do with a model, going by its operator table.

    The compiler maps one stretch of operators, from the first that it can map to the last before
    one that it can't; what comes after stays on the CPU (google-coral/edgetpu#461, #433).
    """
    placed: list[OperatorPlacement] = []
    stretch_over = False
    for operator in model.operators:
        reason, advice = why_not_mapped(operator, model)
        begun = any(item.target == "edge_tpu" for item in placed)
        stretch_over = stretch_over or (begun and bool(reason))
        if not reason and stretch_over:
            reason = "it comes after an operator that stays on the CPU"
            advice = "set `outputs` to cut the model before that operator, or replace that one"
        target: Target = "cpu" if reason else "edge_tpu"
        placed.append(OperatorPlacement(operator.index, operator.name, target, reason, advice))
    subgraphs = int(any(item.target == "edge_tpu" for item in placed))
    return Placement("predicted", tuple(placed), subgraphs)


def from_compiled(original: TfliteModel, compiled: TfliteModel) -> Placement:
    """The true placement: what the compiled file still computes with ordinary operators.

    An operator stayed on the CPU if its output tensor is still made by an ordinary operator of the
    compiled file, where tensors keep their names.
    """
    on_cpu = {
        compiled.tensors[index].name
        for operator in compiled.operators
        if operator.name != EDGE_TPU_OPERATOR
        for index in operator.outputs
    }
    placed = []
    for operator in original.operators:
        stayed = any(original.tensors[index].name in on_cpu for index in operator.outputs)
        reason, advice = why_not_mapped(operator, original) if stayed else ("", "")
        if stayed and not reason:
            reason = "the compiler left it on the CPU"
        placed.append(
            OperatorPlacement(
                operator.index, operator.name, "cpu" if stayed else "edge_tpu", reason, advice
            )
        )
    subgraphs = sum(operator.name == EDGE_TPU_OPERATOR for operator in compiled.operators)
    return Placement("compiler", tuple(placed), subgraphs)
