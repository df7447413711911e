"""What a model costs on the Edge TPU: memory, transfers, work, and a rough latency.

Facts are counted; the latency is an estimate and carries its range.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from coral_action.edgetpu.executable import CompiledModel
from coral_action.edgetpu.operators.quality import LARGEST_PASSED, activation_bytes
from coral_action.edgetpu.placement import Placement
from coral_action.findings import Finding, Severity
from coral_action.tflite import Operator, TfliteModel

ON_CHIP_BYTES = 8 * 2**20
# Recorded logs leave about 7.9 MiB of 8 MiB for parameters (1.0: "available", 7.69 to 8.01 MiB).
CACHE_BYTES = round(7.9 * 2**20)

# Bytes a second in practice: USB 3 and PCIe gen 2 x1 have 5 Gbit/s, 500 MB/s after 8b/10b coding,
# less the protocol's share; USB 2 reaches about 35 MB/s.
_BUSES = {"usb3": 400e6, "usb2": 35e6, "pcie": 400e6}
_CLOCK_HZ = 500e6  # the chip's highest clock; the default USB runtime uses half of it

# Published at https://coral.ai/docs/edgetpu/benchmarks (desktop CPU and USB 3 accelerator, ms),
# beside the multiply-accumulates and parameters of the architecture (millions, from its paper).
BENCHMARKS: tuple[tuple[str, float, float, float], ...] = (
    ("DenseNet-121 224", 2_870, 8.0, 20.0),
    ("Inception v1 224", 1_500, 7.0, 3.4),
    ("Inception v4 299", 12_270, 42.7, 85.0),
    ("Inception-ResNet v2 299", 13_200, 55.9, 57.0),
    ("MobileNet v1 224", 569, 4.2, 2.4),
    ("MobileNet v2 224", 300, 3.5, 2.6),
    ("ResNet-50 v1 299", 7_300, 25.6, 49.0),
    ("ResNet-50 v2 299", 7_300, 25.6, 50.0),
    ("ResNet-152 v2 299", 20_600, 60.4, 128.0),
    ("SqueezeNet 224", 837, 1.2, 2.1),
    ("VGG16 224", 15_470, 138.4, 296.0),
    ("VGG19 224", 19_630, 143.7, 308.0),
)
# Fitted by eye to that table: the small models give the fixed time and the rate, the large ones,
# which are bound by streaming their parameters, the bus.
_FIXED_MS = 1.7
_MACS_PER_SECOND = 860e9
_STREAM_BYTES_PER_SECOND = 400e6
# All of the table lies between these multiples of the estimate (DenseNet is the highest,
# Inception-ResNet the lowest); a test holds that.
_LOW, _HIGH = 0.4, 4.2


@dataclass(frozen=True)
class Latency:
    """Milliseconds for the Edge TPU's part on USB 3: a guess between `low` and `high`."""

    milliseconds: float
    low: float
    high: float
    source: Literal["benchmarks", "executable"]

    def to_json(self) -> dict[str, Any]:
        """Plain data, rounded to what it is worth."""
        numbers = {k: round(v, 1) for k, v in vars(self).items() if k != "source"}
        return {**numbers, "source": self.source}


@dataclass(frozen=True)
class Cost:
    """Bytes and operations of one inference; `streamed_bytes` cross the bus each time.

    `exact`: memory figures come from the compiled file, and not from the int8 model's weights.
    """

    parameter_bytes: int
    cached_bytes: int
    streamed_bytes: int
    scratch_bytes: int
    largest_activation_bytes: int
    largest_activation: str
    input_bytes: int
    output_bytes: int
    macs: int  # of the operators on the Edge TPU
    cpu_macs: int
    exact: bool
    latency: Latency | None

    @property
    def transfer_bytes(self) -> int:
        """What crosses the bus at each inference: inputs, outputs, streamed parameters."""
        return self.input_bytes + self.output_bytes + self.streamed_bytes

    def transfer_milliseconds(self) -> dict[str, float]:
        """Time on the bus alone, by bus."""
        return {bus: self.transfer_bytes / rate * 1e3 for bus, rate in _BUSES.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = {k: v for k, v in vars(self).items() if k != "latency"}
        return {
            **plain,
            "largest_activation_seen_to_compile": LARGEST_PASSED,
            "transfer_bytes": self.transfer_bytes,
            "transfer_ms": {k: round(v, 3) for k, v in self.transfer_milliseconds().items()},
            "latency_ms": self.latency.to_json() if self.latency else None,
        }

    def findings(self) -> list[Finding]:
        """What is worth saying of it."""
        found = []
        if self.streamed_bytes:
            found.append(
                Finding(
                    "CQ155",
                    Severity.INFO if self.exact else Severity.WARNING,
                    f"{self.streamed_bytes:,} bytes of parameters don't fit on the chip and are "
                    f"streamed at every inference"
                    f" (about {self.transfer_milliseconds()['usb3']:.1f} ms of USB 3 transfer)",
                    "a smaller model, or `segments` on several Edge TPUs",
                )
            )
        if self.scratch_bytes:
            found.append(
                Finding(
                    "CQ156",
                    Severity.INFO,
                    f"activations spill {self.scratch_bytes:,} bytes into the host's memory",
                    "a smaller input needs less",
                )
            )
        return found


def estimate(
    model: TfliteModel, placement: Placement, compiled: Iterable[CompiledModel] = ()
) -> Cost:
    """The cost of a placed model; with compiled files, memory is as they say."""
    on_tpu = {item.index for item in placement.operators if item.target == "edge_tpu"}
    executables = tuple(compiled)
    read = {t for i in on_tpu for t in model.operators[i].inputs if t >= 0}
    constants = [data for t in read if (data := model.tensors[t].data) is not None]
    parameters = sum(len(data) for data in constants)
    cached, streamed = min(parameters, CACHE_BYTES), max(0, parameters - CACHE_BYTES)
    if executables:
        cached = sum(item.cached_bytes for item in executables)
        streamed = sum(item.streamed_bytes for item in executables)
    macs = {o.index: multiply_accumulates(o, model) for o in model.operators}
    work = sum(macs[index] for index in on_tpu)
    largest, name = _largest_activation(model)
    inputs, outputs = _interface(model, on_tpu)
    cycles = sum(item.estimated_cycles for item in executables)
    return Cost(
        parameter_bytes=parameters,
        cached_bytes=cached,
        streamed_bytes=streamed,
        scratch_bytes=sum(item.scratch_bytes for item in executables),
        largest_activation_bytes=largest,
        largest_activation=name,
        input_bytes=inputs,
        output_bytes=outputs,
        macs=work,
        cpu_macs=sum(macs.values()) - work,
        exact=bool(executables),
        latency=_latency(work, cycles, streamed) if on_tpu else None,
    )


def _bytes(shape: Iterable[int]) -> int:
    count = 1
    for size in shape:
        count *= max(size, 1)
    return count


def _largest_activation(model: TfliteModel) -> tuple[int, str]:
    sizes = [(activation_bytes(t), t.name) for t in model.tensors if not t.is_constant]
    return max(sizes, default=(0, ""))


def _interface(model: TfliteModel, on_tpu: set[int]) -> tuple[int, int]:
    """Bytes into and out of the Edge TPU's part."""
    made = {t for i in on_tpu for t in model.operators[i].outputs}
    used = {t for i in on_tpu for t in model.operators[i].inputs if t >= 0}
    elsewhere = {t for o in model.operators if o.index not in on_tpu for t in o.inputs}
    incoming = [t for t in used - made if not model.tensors[t].is_constant]
    outgoing = made & (elsewhere | set(model.outputs))
    return (
        sum(_bytes(model.tensors[t].shape) for t in incoming),
        sum(_bytes(model.tensors[t].shape) for t in outgoing),
    )


def multiply_accumulates(operator: Operator, model: TfliteModel) -> int:
    """Multiply-accumulates of an operator at batch 1; 0 where it does none."""
    weights = model.tensors[operator.inputs[1]].shape if len(operator.inputs) > 1 else ()
    made = _bytes(model.tensors[operator.outputs[0]].shape) if operator.outputs else 0
    if operator.name == "CONV_2D" and len(weights) == 4:
        return made * _bytes(weights[1:])
    if operator.name == "DEPTHWISE_CONV_2D" and len(weights) == 4:
        return made * _bytes(weights[1:3])
    if operator.name == "FULLY_CONNECTED" and len(weights) == 2:
        return made * weights[1]
    if operator.name == "TRANSPOSE_CONV" and len(weights) == 4:
        data = model.tensors[operator.inputs[2]].shape if len(operator.inputs) > 2 else ()
        return _bytes(data) * _bytes(weights[:3])
    return 0


def benchmark_milliseconds(macs: float, streamed_bytes: float) -> float:
    """Milliseconds on USB 3, by what the published benchmarks have in common."""
    compute, bus = macs / _MACS_PER_SECOND, streamed_bytes / _STREAM_BYTES_PER_SECOND
    return _FIXED_MS + 1e3 * (compute + bus)


def _latency(macs: int, cycles: int, streamed: int) -> Latency:
    """A guess at the Edge TPU's milliseconds on USB 3, with its range.

    With the executable's cycles (compilers before 16.0) they replace the count of
    multiply-accumulates; they count computing only, so the range is the same.
    """
    if cycles:
        middle = _FIXED_MS + 1e3 * (cycles / _CLOCK_HZ + streamed / _STREAM_BYTES_PER_SECOND)
        return Latency(middle, middle * _LOW, middle * _HIGH, "executable")
    middle = benchmark_milliseconds(macs, streamed)
    return Latency(middle, middle * _LOW, middle * _HIGH, "benchmarks")
