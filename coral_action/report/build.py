"""What the stages return, as sections of the report."""

from __future__ import annotations

from dataclasses import asdict

from coral_action.edgetpu import Placement
from coral_action.evaluation import Accuracy
from coral_action.findings import Finding
from coral_action.quantization import Int8Model
from coral_action.report.model import (
    AccuracyData,
    ClassLossData,
    ConfusionData,
    FindingData,
    FlipsData,
    KernelCheckData,
    MetricData,
    OperatorData,
    OutputErrorData,
    PlacementData,
    QuantizationData,
    ReferenceCheckData,
)


def quantization_data(int8: Int8Model) -> QuantizationData:
    """How the int8 model was made."""
    return QuantizationData(
        calibrator=int8.calibrator,
        samples=int8.samples,
        io=int8.io,
        bias_correction=int8.bias_correction,
        seconds=round(sum(int8.seconds.values()), 3),
    )


def placement_data(placement: Placement) -> PlacementData:
    """Where its operators run."""
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
            )
            for operator in placement.operators
        ],
    )


def accuracy_data(accuracy: Accuracy) -> AccuracyData:
    """What it lost."""
    return AccuracyData(
        samples=accuracy.samples,
        agreement=accuracy.agreement,
        kernels=accuracy.kernels,
        metrics=[
            # Counts of samples divided by their number: nine digits hide float dust.
            MetricData(**asdict(metric), drop=round(metric.drop, 9))
            for metric in accuracy.metrics
        ],
        reference=accuracy.reference,
        flips=accuracy.flips and FlipsData(**asdict(accuracy.flips)),
        classes=[
            ClassLossData(**asdict(item), drop=round(item.drop, 9)) for item in accuracy.classes
        ],
        confusion=accuracy.confusion and ConfusionData(**asdict(accuracy.confusion)),
        outputs=[OutputErrorData(**asdict(item)) for item in accuracy.outputs],
        kernel_check=accuracy.kernel_check and KernelCheckData(**asdict(accuracy.kernel_check)),
        reference_check=accuracy.reference_check
        and ReferenceCheckData(**asdict(accuracy.reference_check)),
        structural=accuracy.structural,
    )


def finding_data(finding: Finding) -> FindingData:
    """What was noticed."""
    return FindingData(**{key: value or None for key, value in asdict(finding).items()})
