"""The section of coral.yml that says what must hold."""

from __future__ import annotations

import math
import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from coral_action.config.section import Section

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "KIB": 2**10, "MIB": 2**20}
_LONGEST = 40  # characters: the pattern takes quadratic time on blanks
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)?\s*$")


def parse_size(value: object) -> object:
    """Bytes from `4 MiB`, `500 kB` or a number; anything else is left for the schema to refuse."""
    if not isinstance(value, str):
        return value
    match = _SIZE.match(value) if len(value) <= _LONGEST else None
    unit = (match[2] or "B").upper() if match else ""
    if match is None or unit not in _UNITS:
        raise ValueError("a size is a number with a unit: B, kB, MB, KiB or MiB, such as 4 MiB")
    return int(float(match[1]) * _UNITS[unit])


Size = Annotated[
    int,
    BeforeValidator(parse_size, json_schema_input_type=int | str),
    Field(gt=0),
]


class DropLimit(Section):
    """A limit on a loss: the loss itself, or the lower end of its interval."""

    max: float = Field(description="Percentage points, or the metric's own unit.")
    confidence: Annotated[float, Field(gt=0.5, lt=1)] | None = Field(
        None,
        description="The limit is exceeded only if the whole interval of this level lies above "
        "`max`: a loss that may be chance passes. Without it, the loss itself counts.",
    )

    def exceeded_by(self, loss: float) -> bool:
        """Whether a loss is above `max`: 95 % less 94 % is 1 point, by floats a bit more."""
        return loss > self.max and not math.isclose(loss, self.max, rel_tol=1e-9)


def _drop_from_number(value: object) -> object:
    """A number is short for `{max: number}`."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"max": value} if number else value


class LimitsConfig(Section):
    """What must hold; one that doesn't makes the exit code 1."""

    accuracy_drop: Annotated[
        DropLimit | None,
        BeforeValidator(_drop_from_number, json_schema_input_type=float | DropLimit | None),
    ] = Field(
        None,
        description="Percentage points of the first metric, float minus int8 (metrics that are no "
        "fraction: in their own unit, positive for a loss).",
    )
    int8_size: Size | None = Field(None, description="Size of the int8 .tflite, such as 4 MiB.")
    cpu_operators: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Operators left on the CPU."
    )
