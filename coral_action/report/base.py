"""What all parts of report.json share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Fraction = Annotated[float, Field(ge=0, le=1)]

# A report can come from a stranger's fork: only pictures, and only inside the page, never fetched.
PICTURE = r"^data:image/(png|jpeg|webp);base64,[A-Za-z0-9+/]+={0,2}$"
Picture = Annotated[str, StringConstraints(pattern=PICTURE, max_length=2_000_000)]


class Data(BaseModel):
    """Plain data: unknown fields are skipped, so that a report of a later minor version reads.

    Infinity and NaN are refused: JSON has neither.
    """

    model_config = ConfigDict(
        extra="ignore", frozen=True, populate_by_name=True, allow_inf_nan=False
    )

    @field_validator("*", mode="before")
    @classmethod
    def _no_surrogates(cls, value: Any) -> Any:
        """Names of files need not be Unicode, a report has to be: odd bytes become letters."""
        if isinstance(value, list):
            return [_unicode(item) for item in value]
        if isinstance(value, dict):
            return {_unicode(key): _unicode(item) for key, item in value.items()}
        return _unicode(value)


def _unicode(value: Any) -> Any:
    if isinstance(value, str) and not value.isascii():
        return value.encode("utf-8", "backslashreplace").decode()
    return value
