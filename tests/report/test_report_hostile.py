"""Foreign text is inert: whatever a layer, a file or a log line is called, in every format."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import unicodedata
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest
import report_samples as samples
from comment_page import to_html
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendered import Page

from coral_action.report import annotations, badge, html, junit, markdown, sarif, table, terminal
from coral_action.report.escape import code, plain
from coral_action.report.formats import render_json
from coral_action.report.model import Report

NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></details></td></table>",
    "<!-- coral-quantize: key -->",
    "-->",
    "@octocat",
    "@org/team",
    "#1",
    "org/repo#12",
    "GH-7",
    "octo@0123456789abcdef0123456789abcdef01234567",
    "0123456789abcdef0123456789abcdef01234567",
    "deadbeef",
    "https://evil.example/x",
    "www.evil.example",
    "mail@evil.example",
    "[a](https://evil.example)",
    "![a](https://evil.example/a.png)",
    "[a]: https://evil.example",
    "a|b|c",
    "\\|",
    "`",
    "``` ",
    "`@octocat`",
    "\n\n# heading\n\n- item\n",
    "\r\n| a | b |\r\n|---|---|\r\n",
    "---",
    "===",
    "    code",
    "1. item",
    "> quote",
    "*a* _b_ **c** ~~d~~ $x$ $$y$$",
    ":tada:",
    "&lt;b&gt; &#64;octocat &amp;",
    "\x1b[31mred\x1b[0m\x1b]8;;https://evil.example\x07link",
    "\x00\x08\x7f\x9b31m",
    "\u202egnp.exe\u202c\u200b\ufeff\u2066",
    "\udcff\ud800",
    "\ufffe\uffff",
    '=HYPERLINK("https://evil.example")',
    "+1+1",
    "-2",
    "@SUM(A1)",
    "\t=1",
    "::error file=a::b",
    "::set-output name=a::b",
    "##[error]x",
    "%0A::error::x",
    "]]>",
    '" onmouseover="alert(1)',
    "{{ 7*7 }}{% raw %}",
    "javascript:alert(1)",
    "data:text/html,<script>",
    "../../../etc/passwd",
    "C:\\Windows",
    "é漢字🎉",
    "x" * 900,
)
HOSTILE = (
    st.lists(st.sampled_from(NASTY) | st.text(max_size=12), min_size=1, max_size=4)
    .map("".join)
    .filter(lambda value: not value.isspace() and value != "")
)
# What the schema gives a fixed set of values, or a form: nothing foreign gets in there.
FIXED = {
    "status", "target", "origin", "severity", "unit", "kind", "created", "thumbnail", "sheet",
    "status_before", "figure", "topic", "color", "dtype", "filter",
}  # fmt: skip
SETTINGS = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.data_too_large]
)


@cache
def _template() -> Any:
    """One of each kind with every section, long lists cut to a few items."""
    data = samples.mixed().to_json()
    for model in data["models"]:
        for section in ("calibration", "evaluation_data"):
            if section in model:
                model[section]["files"] = model[section]["files"][:3]
        if "layers" in model:
            model["layers"] = model["layers"][:2]
        if "placement" in model:
            model["placement"]["operators"] = model["placement"]["operators"][-10:]
    return data


def replaced(value: Any, hostile: str, key: str = "") -> Any:
    """The same data with every free text replaced."""
    if isinstance(value, dict):
        return {
            (hostile if key == "tool" else name): replaced(item, hostile, name)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [replaced(item, hostile, key) for item in value]
    return hostile if isinstance(value, str) and key not in FIXED else value


def report_with(hostile: str) -> Report:
    return Report.from_data(replaced(_template(), hostile))


@cache
def harmless_markdown() -> list[tuple[str, tuple[str, ...]]]:
    page = Page(to_html(markdown.render(report_with("x"))))
    return page.structure(without={"wbr", "code", "span"})


@cache
def harmless_html() -> list[tuple[str, tuple[str, ...]]]:
    return Page(html.render(report_with("x"))).structure(without={"code"})


# What GitHub looks for in text outside of code elements, after it has read the Markdown.
GITHUB_LINKS = re.compile(
    r"(?<![\w/])@[A-Za-z0-9]"
    r"|#\d"
    r"|\b[A-Za-z]+-\d"
    r"|\b[0-9a-fA-F]{7,40}\b"
    r"|https?:/|www\.|ftp:"
    r"|:[a-z0-9_+-]+:"
    r"|\$\S"
)


@pytest.mark.parametrize("hostile", NASTY)
def test_every_known_trick(hostile: str) -> None:
    check_markdown(hostile)
    check_html(hostile)


@SETTINGS
@given(HOSTILE)
def test_markdown_has_exactly_the_expected_elements(hostile: str) -> None:
    check_markdown(hostile)


def check_markdown(hostile: str) -> None:
    text = markdown.render(report_with(hostile))
    page = Page(to_html(text))
    assert page.structure(without={"wbr", "code", "span"}) == harmless_markdown()
    assert not page.broken
    assert not page.comments
    assert "<!--" not in text
    assert not {tag for tag, _ in page.tags} & {"a", "img", "script", "input", "iframe"}
    names = [(tag, name) for tag, name, _ in page.attributes]
    # Alignment of table cells, open details, and the language of a diagram: nothing else.
    assert {name for _, name in names} <= {"align", "open", "lang"}


@SETTINGS
@given(HOSTILE)
def test_github_finds_no_mention_link_or_number(hostile: str) -> None:
    # By itself: what stands next to it in a report is ours, such as `top1-2`.
    page = Page(to_html(f"- {plain(hostile)}"))
    for text in page.text:
        assert not GITHUB_LINKS.search(text), text
    assert {tag for tag, _ in page.tags} <= {"ul", "li", "code", "wbr", "span"}


@SETTINGS
@given(HOSTILE)
def test_a_name_in_code_says_what_it_is(hostile: str) -> None:
    page = Page(to_html(f"- {code(hostile)} end"))
    assert {tag for tag, _ in page.tags} <= {"ul", "li", "code", "wbr"}
    flat = " ".join(hostile.split())
    if flat.isprintable() and len(flat) < 200:
        (shown,) = page.code
        assert shown.strip() == flat.strip()


@SETTINGS
@given(HOSTILE)
def test_comment_keeps_its_form_when_it_is_cut(hostile: str) -> None:
    report = report_with(hostile)
    whole = markdown.render(report)
    for share in (0.3, 0.6, 0.9):
        budget = markdown.Budget(int(len(whole) * share), int(len(whole.encode()) * share))
        page = Page(to_html(markdown.render(report, budget)))
        assert not page.broken
        tags = [tag for tag, _ in page.tags]
        assert "script" not in tags
        assert "a" not in tags


@SETTINGS
@given(HOSTILE)
def test_html_has_exactly_the_expected_elements(hostile: str) -> None:
    check_html(hostile)


def check_html(hostile: str) -> None:
    page = Page(html.render(report_with(hostile)))
    assert page.structure(without={"code"}) == harmless_html()
    assert not page.broken
    assert not page.comments
    for tag, name, value in page.attributes:
        assert not name.startswith("on"), (tag, name)
        if name in ("href", "src"):
            assert value.startswith(("#model-", "data:image/png;base64,"))


def shows_everything(text: str) -> bool:
    """No character that can't be seen, but for line ends."""
    kinds = {unicodedata.category(c) for c in set(text) - {"\n"}}
    return not kinds & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@SETTINGS
@given(HOSTILE)
def test_terminal_gets_no_control_characters(hostile: str) -> None:
    assert shows_everything(terminal.render(report_with(hostile)))


@SETTINGS
@given(HOSTILE)
def test_sarif_stays_valid_and_inside_the_repository(hostile: str) -> None:
    log = json.loads(sarif.render(report_with(hostile)))
    sarif_validator().validate(log)
    assert log["runs"][0]["results"]
    for result in log["runs"][0]["results"]:
        uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert re.fullmatch(r"[A-Za-z0-9._~%/-]+", uri)
        assert ".." not in uri.split("/")
        assert not uri.startswith("/")


@cache
def sarif_validator() -> Any:
    path = Path(__file__).parent / "schemas" / "sarif-schema-2.1.0.json"
    schema = json.loads(path.read_text("utf-8"))
    return jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker())


@SETTINGS
@given(HOSTILE)
def test_junit_and_badge_stay_well_formed(hostile: str) -> None:
    report = report_with(hostile)
    suites = ElementTree.fromstring(junit.render(report))
    assert [suite.tag for suite in suites] == ["testsuite"] * len(report.models)
    assert {element.tag for element in suites.iter()} <= {
        "testsuites", "testsuite", "properties", "testcase", "error", "failure", "system-out",
        "system-err",
    }  # fmt: skip
    assert ElementTree.fromstring(badge.render_svg(report)).tag.endswith("}svg")
    assert json.loads(badge.render_endpoint(report))["schemaVersion"] == 1


@SETTINGS
@given(HOSTILE)
def test_csv_has_no_formulas(hostile: str) -> None:
    rows = list(csv.reader(io.StringIO(table.render(report_with(hostile)))))
    assert len(rows) == 1 + len(_template()["models"])
    assert len({len(row) for row in rows}) == 1
    for cell in (cell for row in rows for cell in row):
        assert cell[:1] not in tuple("=+-@\t\r") or re.fullmatch(r"-?[\d.e-]+", cell)


@SETTINGS
@given(HOSTILE)
def test_annotations_are_one_command_a_line(hostile: str) -> None:
    lines = annotations.render(report_with(hostile)).splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"::(error|warning|notice) file=[^,:]+(,line=\d+)?,title=coral-quantize[^:]*::.*", line
        )
        assert "##[" not in line
        assert len(line) < 20_000


@SETTINGS
@given(HOSTILE)
def test_json_round_trip(hostile: str) -> None:
    report = report_with(hostile)
    text = render_json(report)
    text.encode("utf-8")
    assert Report.from_data(json.loads(text)) == report


@pytest.mark.parametrize(
    "picture",
    [
        "https://evil.example/a.png",
        "data:image/svg+xml;base64,AAAA",
        'data:image/png;base64,AA" onerror="x',
        "data:image/png;base64,AA\n==",
        "javascript:alert(1)",
    ],
)
def test_only_pictures_inside_the_page(picture: str) -> None:
    data = samples.report_of(samples.good()).to_json()
    data["models"][0]["calibration"]["sheet"] = picture
    with pytest.raises(ValueError, match="sheet"):
        Report.from_data(data)


def test_many_models_take_time_by_their_number() -> None:
    """16 MiB, which a fork's report may have, hold 150,000 models: twice as many, twice as long."""
    error = {"kind": "a", "message": "b"}
    models = [
        {"name": f"m{i}", "status": "failed", "source": {"path": "m"}, "error": error}
        for i in range(12_000)
    ]
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": models})
    begun = time.process_time()
    assert "Left out so that it fits" in markdown.render(report, markdown.COMMENT)
    assert time.process_time() - begun < 10  # half a second; a minute where it is quadratic
