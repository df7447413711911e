"""The one type for all that is noticed: what was seen, where, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

# Of the major version, which GitHub shows without anything having been published elsewhere.
DOCUMENTATION = "https://github.com/org/coral-quantize/blob/v1/docs/"


class Severity(StrEnum):
    """How much a finding matters."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True)
class Finding:
    """One thing noticed about a model, its data or the result.

    `id` is stable (`CQ201`), is explained in docs/findings.md and can be named under `ignore:` in
    coral.yml. `message` is the fact, `advice` what to do; the other fields say where.
    """

    id: str
    severity: Severity
    message: str
    advice: str = ""
    file: str | None = None
    line: int | None = None
    operator: str | None = None
    tensor: str | None = None
    sample: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Finding:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**data, "severity": Severity(data["severity"])})

    @property
    def documentation(self) -> str:
        """Where the finding is explained."""
        return f"{DOCUMENTATION}findings.md#{self.id.lower()}"
