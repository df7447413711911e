"""report.json: what is written reads back, old files read, the published schema is the true one."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import report_samples as samples

from coral_action.errors import UsageError
from coral_action.report import model, schema
from coral_action.report.model import Report

DOCS = Path(__file__).parents[2] / "docs"


def test_a_report_of_the_first_program_version_reads() -> None:
    report = samples.digits()
    assert [m.name for m in report.models] == [
        "digits_saved_model",
        "digits_keras",
        "digits_frozen_graph",
    ]
    raw = json.loads((samples.DATA / "digits-v1.json").read_text("utf-8"))
    assert report.to_json() == raw  # nothing is lost, nothing is added


@pytest.mark.parametrize("make", [samples.digits, samples.mixed])
def test_published_schema_accepts_what_is_written(make: object) -> None:
    assert callable(make)
    published = json.loads((DOCS / "report.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(published)
    jsonschema.Draft202012Validator(published).validate(make().to_json())


def test_published_schema_refuses_what_is_wrong() -> None:
    published = json.loads((DOCS / "report.schema.json").read_text("utf-8"))
    data = samples.digits().to_json()
    data["models"][0]["status"] = "splendid"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(published).validate(data)


def test_published_schema_is_generated_from_the_model() -> None:
    text = (DOCS / "report.schema.json").read_text("utf-8")
    assert text == schema.text(), (
        "run: python -m coral_action.report.schema > docs/report.schema.json"
    )


def test_fields_of_a_later_minor_version_are_skipped() -> None:
    data = samples.digits().to_json()
    data["weather"] = "fine"
    data["models"][0]["placement"]["operators"][0]["colour"] = "green"
    assert Report.from_data(data) == samples.digits()


def test_a_newer_schema_version_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps(samples.digits().to_json() | {"schema_version": 2}))
    with pytest.raises(UsageError, match="schema version 2 is newer than 1"):
        Report.read(file)


def test_an_older_schema_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    data = samples.digits().to_json()
    old = {"schema_version": 0, "tool": data["tool"], "networks": data["models"]}

    def upgrade(found: dict[str, object]) -> dict[str, object]:
        return {"schema_version": 1, "tool": found["tool"], "models": found["networks"]}

    monkeypatch.setitem(model.UPGRADES, 0, upgrade)
    assert Report.from_data(old) == samples.digits()


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff\xfe", b'{"schema_version": 1}', b"[" * 100_000, b'{"a": NaN}'],
)
def test_what_is_no_report_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "report.json"
    file.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        Report.read(file)
    assert "\n" not in caught.value.message
    assert "no report" in caught.value.message


def test_infinity_has_no_place_in_json() -> None:
    data = samples.mixed().to_json()
    data["models"][0]["layers"][0]["sqnr_db"] = float("inf")
    with pytest.raises(ValueError, match="finite"):
        Report.from_data(data)
