"""The report as JUnit XML: a suite for each model, a test case for making it and for each limit.

Written so that it holds against both published schemas: the one of Apache Ant's JUnit tasks, which
wants a time, a host and empty output elements, and the one of Jenkins.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from coral_action.report import text
from coral_action.report.foreign import message, visible
from coral_action.report.model import ModelReport, Report

_NO_TIME = "1970-01-01T00:00:00"  # the schema wants one; a report without has none to give


def render(report: Report) -> str:
    """The XML text; the same report gives the same bytes."""
    root = Element("testsuites")
    created = (report.created or _NO_TIME).removesuffix("Z")
    for index, model in enumerate(report.models):
        root.append(_suite(model, index, created))
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _suite(model: ModelReport, index: int, created: str) -> Element:
    name = visible(model.name) or "model"
    failed = sum(not limit.passed for limit in model.limits)
    seconds = f"{model.seconds.get('total', 0.0):.3f}"
    suite = Element(
        "testsuite",
        {
            "package": "coral-quantize",
            "id": str(index),
            "name": name,
            "timestamp": created,
            "hostname": "localhost",
            "tests": str(1 + len(model.limits)),
            "failures": str(failed),
            "errors": str(int(model.error is not None)),
            "time": seconds,
        },
    )
    SubElement(suite, "properties")
    case = _case(suite, name, "made", seconds)
    if model.error:
        problem = SubElement(
            case, "error", {"message": message(model.error.message), "type": model.error.kind}
        )
        problem.set("type", visible(model.error.kind))
        problem.text = message(model.error.hint)
    for limit in model.limits:
        case = _case(suite, name, f"limit {visible(limit.name)}", "0")
        if not limit.passed:
            sentence = message(text.limit_sentence(limit, model))
            failure = SubElement(case, "failure", {"message": sentence, "type": "limit"})
            failure.text = sentence
    notes = [f"{visible(f.id)} {f.severity}: {message(f.message)}" for f in model.findings]
    SubElement(suite, "system-out").text = "\n".join(notes)
    SubElement(suite, "system-err")
    return suite


def _case(suite: Element, model: str, name: str, seconds: str) -> Element:
    attributes = {"name": name, "classname": f"coral-quantize.{model}", "time": seconds}
    return SubElement(suite, "testcase", attributes)
