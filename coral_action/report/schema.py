"""JSON Schema of report.json: `python -m coral_action.report.schema > docs/report.schema.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from coral_action.report.model import SCHEMA_VERSION, Report


def json_schema() -> dict[str, Any]:
    """The schema as plain data; fields that it does not name may be there and mean nothing."""
    schema = Report.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:coral-quantize:report:{SCHEMA_VERSION}",
        **schema,
        "title": f"report.json, version {SCHEMA_VERSION}",
    }


def text() -> str:
    """The schema as the file in docs/ holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
