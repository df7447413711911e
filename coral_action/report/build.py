"""What the stages return, as sections of the report."""

from __future__ import annotations

import shlex
from dataclasses import asdict

from coral_action.edgetpu import Placement
from coral_action.evaluation import Accuracy
from coral_action.findings import Finding
from coral_action.quantization import Int8Model
from coral_action.report.model import (
    AccuracyData,
    FindingData,
    MetricData,
    OperatorData,
    PlacementData,
    QuantizationData,
)
from coral_action.tflite import TfliteModel


def quantization_data(int8: Int8Model) -> QuantizationData:
    """How the int8 model was made."""
    return QuantizationData(
        calibrator=int8.calibrator,
        samples=int8.samples,
        io=int8.io,
        bias_correction=int8.bias_correction,
        seconds=round(sum(int8.seconds.values()), 3),
    )


def placement_data(placement: Placement, model: TfliteModel | None = None) -> PlacementData:
    """Where its operators run; with the int8 model, also what each of them reads."""
    reads = operator_inputs(model) if model else {}
    names = output_names(model) if model else {}
    return PlacementData(
        origin=placement.origin,
        edge_tpu=placement.edge_tpu,
        cpu=placement.cpu,
        subgraphs=placement.subgraphs,
        operators=[
            OperatorData(
                index=operator.index,
                name=operator.name,
                target=operator.target,
                reason=operator.reason or None,
                advice=operator.advice or None,
                rule=getattr(operator, "rule", "") or None,
                tensor=names.get(operator.index),
                inputs=reads.get(operator.index, []),
            )
            for operator in placement.operators
        ],
    )


def operator_inputs(model: TfliteModel) -> dict[int, list[int]]:
    """For each operator, the indices of the operators whose results it reads."""
    makers = {tensor: op.index for op in model.operators for tensor in op.outputs}
    return {
        op.index: sorted({makers[tensor] for tensor in op.inputs if tensor in makers})
        for op in model.operators
    }


def output_names(model: TfliteModel) -> dict[int, str]:
    """The name of the first tensor that each operator makes."""
    return {op.index: model.tensors[op.outputs[0]].name for op in model.operators if op.outputs}


def docker_line(image: str, config: str, model: str, *, compiler: bool) -> str:
    """The one line that does a model again on another machine, from the repository's folder."""
    words = ["docker", "run", "--rm", "--volume", "$PWD:/github/workspace", image, "run"]
    words += ["--config", config, "--model", model]
    words += [] if compiler else ["--compiler", "none"]
    # $PWD is the shell's to fill in, everything else is quoted where it has to be.
    quoted = [f'"{word}"' if word.startswith("$PWD") else shlex.quote(word) for word in words]
    return " ".join(quoted)


def accuracy_data(accuracy: Accuracy) -> AccuracyData:
    """What it lost."""
    return AccuracyData(
        samples=accuracy.samples,
        agreement=accuracy.agreement,
        kernels=accuracy.kernels,
        metrics=[
            MetricData(
                name=metric.name,
                float_value=metric.float_value,
                int8_value=metric.int8_value,
                # Counts of samples divided by their number: nine digits hide float dust.
                drop=round(metric.drop, 9),
            )
            for metric in accuracy.metrics
        ],
    )


def finding_data(finding: Finding) -> FindingData:
    """What was noticed."""
    return FindingData(**{key: value or None for key, value in asdict(finding).items()})
