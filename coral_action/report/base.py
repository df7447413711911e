"""What all parts of report.json share."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)

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

    @model_validator(mode="wrap")
    @classmethod
    def _no_surrogates(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Names of files need not be Unicode, a report has to be: odd bytes become letters."""
        try:
            return handler(data)
        except ValidationError as error:
            if not any(item["type"] == "string_unicode" for item in error.errors()):
                raise
            return handler(_unicode(data))


def _unicode(data: Any) -> Any:
    if isinstance(data, str):
        return data.encode("utf-8", "backslashreplace").decode()
    if isinstance(data, dict):
        return {_unicode(key): _unicode(value) for key, value in data.items()}
    return [_unicode(item) for item in data] if isinstance(data, list) else data
