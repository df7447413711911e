"""What all parts of report.json share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
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

    @model_validator(mode="before")
    @classmethod
    def _cleaned(cls, data: Any) -> Any:
        """Names of files need not be Unicode, a report has to be: odd bytes become letters."""
        return {_clean(k): _clean(v) for k, v in data.items()} if type(data) is dict else data


_LARGEST = 2**63  # Python's numbers have no end, and what is computed of them has


def _clean(value: Any) -> Any:
    """Texts and numbers, in lists and mappings too; what is deeper is cleaned by its own class."""
    if isinstance(value, str):
        if value.isascii():
            return value
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, int):
        if not -_LARGEST <= value < _LARGEST:
            raise ValueError("a whole number of more than 64 bits")
        return value
    if isinstance(value, list):
        return [_clean(item) if isinstance(item, str | int | list) else item for item in value]
    if isinstance(value, dict):
        return {
            _clean(key): _clean(item) if isinstance(item, str | int) else item
            for key, item in value.items()
        }
    return value
