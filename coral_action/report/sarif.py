"""The report as SARIF 2.1.0 for code scanning: each problem at its line of coral.yml.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from coral_action.errors import error_classes, troubleshooting
from coral_action.findings import DOCUMENTATION
from coral_action.report import text
from coral_action.report.foreign import message, visible
from coral_action.report.groups import on_cpu
from coral_action.report.model import FindingData, ModelReport, Report

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_DEFAULT_CONFIG = "coral.yml"

Result = dict[str, Any]


def render(report: Report) -> str:
    """The log as JSON text; the same report gives the same bytes."""
    results = [result for model in report.models for result in _results(model, report)]
    rules = sorted({result["ruleId"] for result in results})
    driver = {
        "name": "coral-quantize",
        "version": visible(report.tool.get("coral-quantize", "0")),
        "rules": [_rule(rule) for rule in rules],
    }
    for result in results:
        result["ruleIndex"] = rules.index(result["ruleId"])
    log = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": "coral-quantize/"},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _results(model: ModelReport, report: Report) -> Iterator[Result]:
    config = report.config_file or _DEFAULT_CONFIG
    name = visible(model.name)
    if model.error:
        sentence = f"{name}: {message(model.error.message)}"
        hint = f". {message(model.error.hint)}" if model.error.hint else ""
        yield _result(
            f"error-{model.error.kind}", "error", sentence + hint, config, model.line, model.name
        )
    for limit in model.limits:
        if not limit.passed:
            sentence = f"{name}: {text.limit_sentence(limit, model)}"
            line = limit.line or model.line
            yield _result(
                f"limit-{limit.name}", "error", sentence, config, line, model.name, limit.name
            )
    for group in on_cpu(model.placement):
        sentence = f"{name}: {visible(group.name)} {group.where(8)} stays on the CPU"
        sentence += f": {message(group.reason)}" if group.reason else ""
        sentence += f". {message(group.advice)}" if group.advice else ""
        result = _result(
            group.rule or "operator-on-cpu",
            "warning",
            sentence,
            config,
            model.line,
            model.name,
            group.name,
            group.reason,
        )
        result["locations"][0]["logicalLocations"] = [
            {"name": visible(group.name), "fullyQualifiedName": f"{name}/{index}", "kind": "member"}
            for index in group.indices[:20]
        ]
        yield result
    for finding in model.findings:
        yield _finding(finding, model, config)


def _finding(finding: FindingData, model: ModelReport, config: str) -> Result:
    sentence = f"{visible(model.name)}: {message(finding.message)}"
    sentence += f". {message(finding.advice)}" if finding.advice else ""
    in_file = finding.file is not None and finding.line is not None
    return _result(
        finding.id,
        _LEVELS[finding.severity],
        sentence,
        finding.file if in_file and finding.file else config,
        finding.line if in_file else model.line,
        model.name,
        finding.operator or "",
        finding.tensor or "",
        finding.sample or "",
    )


def _result(
    rule: str, level: str, sentence: str, file: str, line: int | None, *identity: str
) -> Result:
    """A result; `identity` is what it is about, so that it stays the same alert when lines move."""
    digest = hashlib.sha256("\0".join((rule, *identity)).encode("utf-8", "backslashreplace"))
    return {
        "ruleId": visible(rule),
        "level": level,
        "message": {"text": sentence},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": _uri(file), "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": max(line or 1, 1)},
                }
            }
        ],
        "partialFingerprints": {"coralQuantize/v1": digest.hexdigest()[:32]},
    }


def _uri(path: str) -> str:
    """A relative path as a URI reference: no scheme, no leading slash, no climbing out."""
    steps = [step for step in path.replace("\\", "/").split("/") if step not in ("", ".", "..")]
    quoted = [quote(step.encode("utf-8", "backslashreplace"), safe="") for step in steps]
    return "/".join(quoted) or _DEFAULT_CONFIG


def _rule(rule: str) -> dict[str, Any]:
    what = {
        "error": "A model could not be processed",
        "limit": "A limit of coral.yml was exceeded",
        "operator": "An operator stays on the CPU",
    }.get(rule.split("-")[0], "A finding of coral-quantize")
    return {
        "id": rule,
        "name": rule,
        "shortDescription": {"text": what},
        "help": {"text": f"{what}. See docs/findings.md and docs/report.md of coral-quantize."},
        "helpUri": _help(rule),
    }


def _help(rule: str) -> str:
    """Where the rule is explained; ids come from the report and may be foreign."""
    if re.fullmatch(r"CQ\d{3}", rule):
        return f"{DOCUMENTATION}findings.md#{rule.lower()}"
    kind = rule.removeprefix("error-")
    if kind != rule and kind in error_classes():
        return troubleshooting(f"{kind}-errors")
    return f"{DOCUMENTATION}report.md#sarif-junit-annotations"
