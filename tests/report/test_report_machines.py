"""SARIF, JUnit XML, CSV, annotations and badges: what machines read."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import report_samples as samples
import xmlschema

from coral_action.config.lines import model_lines
from coral_action.report import annotations, badge, junit, sarif, table
from coral_action.report.lines import with_lines
from coral_action.report.model import Report

SCHEMAS = Path(__file__).parent / "schemas"
REPORTS = {
    "digits": samples.digits,
    "mixed": samples.mixed,
    "large": lambda: samples.large(8, 100, 40),
    "empty": lambda: Report.from_data({"schema_version": 1, "tool": {}, "models": []}),
}

CONFIG = """\
# limits in both styles of YAML
version: 1
models:
  - name: first
    source: a.keras
    calibration: {images: data}
    limits:
      int8_size: 4 MiB

      cpu_operators: 0
  - source: b.keras
    calibration: {images: data}
    limits: {cpu_operators: 0,
             int8_size: 1 KiB}
    name: second
"""


@pytest.mark.parametrize("name", REPORTS)
def test_sarif_holds_against_the_published_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / "sarif-schema-2.1.0.json").read_text("utf-8"))
    checker = jsonschema.FormatChecker()
    log = json.loads(sarif.render(REPORTS[name]()))
    jsonschema.Draft4Validator(schema, format_checker=checker).validate(log)


@pytest.mark.parametrize("name", REPORTS)
def test_junit_holds_against_the_published_schema(name: str) -> None:
    schema = xmlschema.XMLSchema(SCHEMAS / "jenkins-junit-10.xsd")
    schema.validate(junit.render(REPORTS[name]()))


def results(report: Report) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(sarif.render(report))["runs"][0]["results"]
    return found


def line_of(result: dict[str, Any]) -> int:
    line: int = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    return line


def test_sarif_points_at_the_lines_of_the_config(tmp_path: Path) -> None:
    config = tmp_path / "coral.yml"
    config.write_text(CONFIG)
    models = [
        samples.exceeded()
        | {
            "name": name,
            "line": None,
            "limits": [samples.limit("int8_size", 1, 2), samples.limit("cpu_operators", 0, 8)],
            "findings": [],
        }
        for name in ("first", "second")
    ]
    report = with_lines(samples.report_of(*models), "models/coral.yml", model_lines(config))
    lines = CONFIG.split("\n")
    for result in results(report):
        where = result["locations"][0]["physicalLocation"]
        assert where["artifactLocation"] == {"uri": "models/coral.yml", "uriBaseId": "%SRCROOT%"}
        shown = lines[line_of(result) - 1]
        if result["ruleId"].startswith("limit-"):
            assert result["ruleId"].removeprefix("limit-") in shown
        else:
            assert shown.startswith("  - ")
    assert {line_of(r) for r in results(report) if r["ruleId"] == "limit-int8_size"} == {8, 14}


def test_lines_of_the_example(digits: Path) -> None:
    file = digits / "coral.yml"
    text = file.read_text("utf-8").split("\n")
    found = model_lines(file)
    assert set(found) == {"digits_saved_model", "digits_keras", "digits_frozen_graph"}
    for name, lines in found.items():
        assert text[lines.model - 1].strip() == f"- name: {name}"
        assert set(lines.limits) == {"accuracy_drop", "int8_size", "cpu_operators"}
        assert all("limits:" in text[line - 1] for line in lines.limits.values())


@pytest.mark.parametrize("content", ["", "models: 3", "models: [1, {name: x}]", "a: [", "\x00"])
def test_lines_of_a_broken_config_are_just_unknown(tmp_path: Path, content: str) -> None:
    file = tmp_path / "coral.yml"
    file.write_text(content)
    assert set(model_lines(file)) <= {"x"}
    assert model_lines(tmp_path / "missing.yml") == {}


def test_sarif_says_each_problem_once() -> None:
    found = results(samples.report_of(samples.exceeded(), samples.failed(), samples.good()))
    rules = sorted(result["ruleId"] for result in found)
    # Two limits, one error, two groups of operators with the rule CQ110, two findings.
    assert rules == [
        "CQ110",
        "CQ110",
        "CQ110",
        "CQ301",
        "error-model",
        "limit-accuracy_drop",
        "limit-cpu_operators",
    ]
    levels = {result["ruleId"]: result["level"] for result in found}
    assert levels["limit-accuracy_drop"] == levels["error-model"] == "error"
    assert levels["CQ301"] == "warning"
    prints = [result["partialFingerprints"]["coralQuantize/v1"] for result in found]
    assert len(set(prints)) == len(prints)


def test_sarif_alerts_stay_the_same_when_lines_move() -> None:
    moved = samples.exceeded() | {"line": 99}
    before, now = (results(samples.report_of(m)) for m in (samples.exceeded(), moved))
    assert [r["partialFingerprints"] for r in before] == [r["partialFingerprints"] for r in now]
    assert [line_of(r) for r in before] != [line_of(r) for r in now]


def test_a_finding_with_a_place_of_its_own_is_shown_there() -> None:
    finding = {
        "id": "CQ501",
        "severity": "error",
        "message": "odd",
        "file": "./src/my model.py",
        "line": 7,
    }
    (result,) = results(samples.report_of(samples.good() | {"findings": [finding]}))
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "src/my%20model.py"
    assert where["region"] == {"startLine": 7}


def test_junit_counts() -> None:
    root = ElementTree.fromstring(junit.render(samples.mixed()))
    counts = {
        suite.get("name"): tuple(int(suite.get(k, "")) for k in ("tests", "failures", "errors"))
        for suite in root
    }
    assert counts == {
        "deeplab_slim": (4, 2, 0),
        "keyword_gru": (1, 0, 1),
        "mobilenet_v2_224": (4, 0, 0),
    }
    for suite in root:
        assert len(suite.findall("testcase")) == int(suite.get("tests", ""))
        assert len(suite.findall("testcase/failure")) == int(suite.get("failures", ""))
        assert len(suite.findall("testcase/error")) == int(suite.get("errors", ""))
        # What the schema of Apache Ant asks for beside that of Jenkins.
        assert suite.get("timestamp") == "2026-11-23T12:00:00"
        assert suite.get("hostname") == "localhost"
        tags = [child.tag for child in suite]
        assert tags[0] == "properties"
        assert tags[-2:] == ["system-out", "system-err"]


def test_csv_rows() -> None:
    rows = list(csv.DictReader(io.StringIO(table.render(samples.mixed()))))
    assert [row["model"] for row in rows] == ["deeplab_slim", "keyword_gru", "mobilenet_v2_224"]
    by_name = {row["model"]: row for row in rows}
    assert by_name["mobilenet_v2_224"]["int8_bytes"] == "3901264"
    assert by_name["mobilenet_v2_224"]["top1_int8"] == "0.714"
    assert by_name["mobilenet_v2_224"]["mean_iou_int8"] == ""
    assert by_name["deeplab_slim"]["cpu_operators"] == "8"
    assert by_name["deeplab_slim"]["limits_exceeded"] == "2"
    assert by_name["keyword_gru"]["status"] == "failed"
    assert by_name["keyword_gru"]["float_bytes"] == ""


def test_annotations() -> None:
    lines = annotations.render(samples.mixed()).splitlines()
    assert lines[0] == (
        "::error file=models/coral.yml,line=24,title=coral-quantize::"
        "deeplab_slim: accuracy drop is 2.30 points, the limit is 1.00 points"
    )
    # The models take turns.
    assert lines[1].startswith("::error file=models/coral.yml,line=31,title=coral-quantize::")
    assert lines[1].endswith("%0Aexport the model with unrolled recurrent layers")
    (operators,) = [line for line in lines if "left on the CPU" in line]
    assert operators.startswith("::warning file=models/coral.yml,line=12,")
    assert "%0ARESIZE_BILINEAR (40): it has half-pixel centers" in operators


def test_annotations_stay_within_what_the_runner_takes() -> None:
    lines = annotations.render(samples.large(40, 300)).splitlines()
    for level in ("error", "warning", "notice"):
        assert len([line for line in lines if line.startswith(f"::{level} ")]) <= 10
    assert all(len(line) <= 4096 + 200 for line in lines)


def test_badge() -> None:
    endpoint = json.loads(badge.render_endpoint(samples.digits()))
    assert endpoint == {
        "schemaVersion": 1,
        "label": "Edge TPU",
        "message": "3 models passed · 36/36 operators",
        "color": "brightgreen",
    }
    broken = json.loads(badge.render_endpoint(samples.mixed()))
    assert broken["color"] == "red"
    assert broken["isError"] is True
    root = ElementTree.fromstring(badge.render_svg(samples.digits()))
    assert root.get("aria-label") == "Edge TPU: 3 models passed · 36/36 operators"
    width = float(root.get("width", ""))
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(element.get("x", "")) + float(element.get("textLength", "")) <= width
