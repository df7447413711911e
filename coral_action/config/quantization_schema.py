"""The sections of coral.yml that say how a model is quantized."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from coral_action.config.section import Section

# No activation comes near. float32, in which scales are stored, ends at 3.4e38.
_LARGEST = 1e20


def _range(value: list[float]) -> list[float]:
    low, high = value
    if not low < high:
        raise ValueError(f"a range is [min, max] with min below max, not {value}")
    return value


_End = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]
Range = Annotated[list[_End], Field(min_length=2, max_length=2), AfterValidator(_range)]
Ranges = dict[str, Range]


class QuantizationConfig(Section):
    """What is done to the model around calibration.

    A switch that is left out follows `calibration.method`: `auto` uses what measurably helps on
    held-out calibration samples, every other method uses none of it.
    """

    io: Literal["int8", "uint8"] = Field(
        "int8", description="Type of inputs and outputs; uint8 adds a QUANTIZE operator to each."
    )
    bias_correction: bool | None = Field(
        None, description="Take the mean error of each layer out of its bias, layer by layer."
    )
    cross_layer_equalization: bool | None = Field(
        None, description="Even out the channels of consecutive layers; exact in float."
    )
    rewrites: bool = Field(
        True,
        description="Write operators that the Edge TPU compiler refuses in an equivalent form.",
    )
    layer_errors: bool | None = Field(
        None, description="Measure the error of every layer and name the worst ten."
    )
