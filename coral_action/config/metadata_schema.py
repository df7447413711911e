"""The section of coral.yml that says what is written into model files about them."""

from __future__ import annotations

from pydantic import Field

from coral_action.config.section import Section


class MetadataConfig(Section):
    """TFLite metadata: what boards' libraries read of a model, inside its file."""

    embed: bool = Field(
        True,
        description="Put labels and normalization into the .tflite files, where they are known.",
    )
    labels: str | None = Field(
        None,
        description="A .txt of class names, one a line, where `evaluation` does not name them.",
    )


def short_form(value: object) -> object:
    """`metadata: false` is short for `{embed: false}`."""
    return {"embed": value} if isinstance(value, bool) else value
