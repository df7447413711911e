"""The section of coral.yml that chooses options of edgetpu_compiler."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from coral_action.config.section import Section


class EdgeTpuConfig(Section):
    """Options of edgetpu_compiler."""

    min_runtime_version: Annotated[int, Field(ge=10, le=14)] | None = Field(
        None, description="Oldest Edge TPU runtime to support; the compiler's default is 14."
    )
    timeout: PositiveInt = Field(180, description="Seconds for one compilation.")
