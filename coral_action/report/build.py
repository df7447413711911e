"""What the stages return, as sections of the report."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coral_action.data import Normalization, SampleStatistics
from coral_action.edgetpu import Compiled, Cost, Placement
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
    SizeData,
)
from coral_action.report.sections import (
    ChannelData,
    DataFile,
    DataSetData,
    EdgeTpuData,
    Histogram,
    ImageData,
    InterfaceData,
    LayerData,
    TensorBytes,
    TensorData,
    TriedCalibrator,
)
from coral_action.tflite import DETECTIONS, TfliteModel

# The hash covers all of them; the names of so many are enough to recognize a set by.
MAX_LISTED_FILES = 200


def quantization_data(int8: Int8Model) -> QuantizationData:
    """How the int8 model was made."""
    return QuantizationData(
        calibrator=int8.calibrator,
        samples=int8.samples,
        io=int8.io,
        bias_correction=int8.bias_correction,
        bias_correction_gain_db=int8.bias_correction_gain,
        equalization=int8.equalization,
        equalization_gain_db=int8.equalization_gain,
        why=int8.why or None,
        rewrites=list(int8.rewrites) or None,
        seconds=round(sum(int8.seconds.values()), 3),
        tried=[
            TriedCalibrator(
                calibrator=trial.name,
                sqnr_db=_finite(trial.sqnr),
                agreement=trial.agreement,
                chosen=trial.kept,
            )
            for trial in int8.tried
        ],
    )


def layer_data(int8: Int8Model) -> list[LayerData]:
    """The layers that lose most, the worst first."""
    places: dict[str, tuple[int, str]] = {}
    tensors = int8.model.tensors
    for operator in int8.model.operators:
        place = (operator.index, operator.name)
        outputs = [tensors[index] for index in operator.outputs]
        # A uint8 output has the name that its layer's own int8 values had.
        if operator.name == "QUANTIZE" and outputs[0].type == "UINT8":
            place = places.get(tensors[operator.inputs[0]].name, place)
        places.update(dict.fromkeys((tensor.name for tensor in outputs), place))
    layers = []
    for error in int8.layer_errors:
        index, name = places.get(error.tensor, (None, error.operator))
        layers.append(
            LayerData(
                name=short_name(error.tensor),
                operator=name,
                index=index,
                sqnr_db=_finite(error.sqnr),
                activations=error.activations and Histogram(**asdict(error.activations)),
                weights=error.weights and Histogram(**asdict(error.weights)),
            )
        )
    return layers


def short_name(tensor: str) -> str:
    """The first of the names that the converter joined when it fused operators into one."""
    return tensor.partition(";")[0]


def _finite(decibels: float) -> float | None:
    """None for the infinite ratio of something without noise, which JSON can't hold."""
    return decibels if math.isfinite(decibels) else None


def data_set(statistics: SampleStatistics, sheet: str | None = None) -> DataSetData:
    """The samples that were used, what the model was fed, and a picture of some of them."""
    facts = statistics.facts()
    several = len(facts["inputs"]) > 1
    return DataSetData(
        count=facts["samples"],
        sha256=facts["manifest"]["sha256"],
        files=[DataFile(name=name) for name in facts["manifest"]["files"][:MAX_LISTED_FILES]],
        channels=[
            ChannelData(
                name=f"{item['name']}: {name}" if several else name,
                **{key: channel[key] for key in ("low", "high", "mean", "std")},
            )
            for item in facts["inputs"]
            for name, channel in zip(channel_names(item), item["channels"], strict=True)
        ],
        sheet=sheet,
    )


_COLORS = {"gray": ("gray",), "rgb": ("red", "green", "blue"), "bgr": ("blue", "green", "red")}


def channel_names(facts: Mapping[str, Any]) -> Sequence[str]:
    """What the channels of an input are called: colours where it is an image."""
    count = len(facts["channels"])
    colors = _COLORS.get(facts["color"], ())
    if len(colors) == count:
        return colors
    return ["all values"] if count == 1 else [f"channel {number}" for number in range(count)]


def interface_data(model: TfliteModel, images: Mapping[str, Normalization]) -> InterfaceData:
    """What the int8 model takes and gives, and how images are made into it."""

    def tensors(names: Mapping[str, int]) -> list[TensorData]:
        held = {name: model.tensors[index] for name, index in names.items()}
        return [
            TensorData(
                name=name,
                shape=list(tensor.shape),
                dtype=tensor.dtype or tensor.type,
                scale=tensor.scales[0] if tensor.scales else None,
                zero_point=tensor.zero_points[0] if tensor.zero_points else None,
            )
            for name, tensor in held.items()
        ]

    return InterfaceData(
        inputs=tensors(model.input_names()),
        outputs=tensors(model.output_names()),
        images=[
            ImageData.model_validate({"input": name, **asdict(image)})
            for name, image in images.items()
        ],
        detector=any(
            op.name == DETECTIONS and op.outputs == model.outputs for op in model.operators
        ),
    )


def edge_tpu_data(cost: Cost, compiled: Compiled | None) -> EdgeTpuData:
    """What it asks of the chip: the compiler's figures where there are some."""
    said = compiled.said if compiled else None
    remaining = said.on_chip_remaining if said else None
    latency = cost.latency
    return EdgeTpuData(
        compiler_version=compiled.version if compiled else None,
        runtime_version=max((m.min_runtime_version for m in compiled.models), default=None)
        if compiled
        else None,
        on_chip_bytes=cost.cached_bytes,
        on_chip_free_bytes=remaining.bytes if remaining else None,
        off_chip_bytes=cost.streamed_bytes,
        scratch_bytes=cost.scratch_bytes,
        macs=cost.macs,
        latency_ms=latency.milliseconds if latency else None,
        latency_low_ms=latency.low if latency else None,
        latency_high_ms=latency.high if latency else None,
        latency_source=latency.source if latency else None,
        activations=[
            TensorBytes(
                name=short_name(cost.largest_activation), bytes=cost.largest_activation_bytes
            )
        ],
    )


def measured_again(sizes: SizeData, int8: Path, compiled: Path | None) -> SizeData:
    """The sizes of files that have grown since."""
    changed = {"int8_bytes": int8.stat().st_size}
    if compiled is not None:
        changed["edgetpu_bytes"] = compiled.stat().st_size
    return sizes.model_copy(update=changed)


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
                rule=operator.rule or None,
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
            # Counts of samples divided by their number: nine digits hide float dust.
            MetricData(
                **asdict(metric), drop=None if metric.drop is None else round(metric.drop, 9)
            )
            for metric in accuracy.metrics
        ],
        reference=accuracy.reference,
        labels=list(accuracy.labels) or None,
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
