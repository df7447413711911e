"""The section of coral.yml that chooses options of edgetpu_compiler."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, PositiveInt, StringConstraints, model_validator

from coral_action.config.section import Section


def _tensor_name(value: str) -> str:
    if not value or any(character in value for character in ":,"):
        raise ValueError("the compiler takes ':' and ',' as separators: name another tensor")
    return value


class EdgeTpuConfig(Section):
    """Options of edgetpu_compiler."""

    min_runtime_version: Annotated[int, Field(ge=10, le=14)] | None = Field(
        None, description="Oldest Edge TPU runtime to support; the compiler's default is 14."
    )
    timeout: PositiveInt = Field(180, description="Seconds for one compilation.")
    segments: Annotated[int, Field(ge=2, le=64)] | None = Field(
        None, description="Cut the model into this many files, for a pipeline of Edge TPUs."
    )
    multiple_subgraphs: bool = Field(
        False,
        description="Allow several Edge TPU subgraphs (experimental in the compiler; each change "
        "of place costs time).",
    )
    search_delegate: bool = Field(
        False, description="When it fails, let the compiler cut operators off the end and retry."
    )
    delegate_search_step: PositiveInt = Field(
        1, description="Operators to cut off in each step of the search."
    )
    intermediate_tensors: list[Annotated[str, AfterValidator(_tensor_name)]] = Field(
        default_factory=list,
        description="Tensors where the Edge TPU's part ends; what follows stays on the CPU.",
    )
    group: (
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")] | None
    ) = Field(
        None,
        description="Models that name the same group are compiled together and share the chip's "
        "memory for parameters.",
    )
    tries: Annotated[int, Field(ge=1, le=5)] = Field(
        3,
        description="How often at most to compile when the compiler crashes in a way that was "
        "seen to be random (versions before 16.0).",
    )
    diagnose: bool = Field(
        True, description="When compilation fails, look for the operator that causes it."
    )
    diagnose_seconds: PositiveInt = Field(600, description="Time limit for that search.")

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if self.group is not None and self.segments is not None:
            raise ValueError("a group is compiled together, segments apart: choose one of them")
        if self.intermediate_tensors and self.segments is not None:
            raise ValueError("segments and intermediate_tensors exclude each other")
        return self
