"""The pages in a real browser, opened from disk with the network off."""

from __future__ import annotations

from pathlib import Path

import pytest
import report_samples as samples
from browser_driver import drive, missing
from comment_page import page as comment_page
from test_report_hostile import NASTY, report_with

from coral_action.report import html, markdown
from coral_action.report.model import Report

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "everything is there")

REPORTS = {"digits": samples.digits, "mixed": samples.mixed}


def write(folder: Path, name: str, text: str) -> str:
    file = folder / f"{name}.html"
    file.write_text(text, encoding="utf-8")
    return file.as_uri()


@pytest.mark.parametrize("name", REPORTS)
def test_html_passes_axe_and_asks_for_nothing(tmp_path: Path, name: str) -> None:
    url = write(tmp_path, name, html.render(REPORTS[name]()))
    jobs = [
        {"url": url, "width": width, "dark": dark, "axe": axe, "open": True}
        for width, dark, axe in ((1200, False, True), (1200, True, True), (400, False, False))
    ]
    for result in drive(*jobs):
        assert result.get("violations", []) == []
        assert result["requests"] == [url]  # nothing but the file; pictures are inside of it
        assert result["errors"] == []
        assert result["overflow"] == 0


def test_html_without_a_script(tmp_path: Path) -> None:
    url = write(tmp_path, "mixed", html.render(samples.mixed()))
    (result,) = drive({"url": url, "width": 1200, "script": False})
    assert result["errors"] == []


def test_sorting_zooming_and_hovering(tmp_path: Path) -> None:
    url = write(tmp_path, "mixed", html.render(samples.mixed()))
    sizes = "[...document.querySelectorAll('main > table tbody tr')].map(r => r.cells[2].dataset.v)"
    (before, after) = drive(
        {"url": url, "width": 1200, "evaluate": {"order": sizes}},
        {
            "url": url,
            "width": 1200,
            "click": [
                "main > table th:nth-child(3) button",
                'section[id="model-1"] .tools button[aria-label="Zoom in"]',
            ],
            "evaluate": {
                "order": sizes,
                "sorted": "document.querySelector('main > table th:nth-child(3)').ariaSort",
                "width": "document.querySelector('svg.graph').width.baseVal.value",
                "box": "document.querySelector('svg.graph').viewBox.baseVal.width",
                "reason": "document.querySelector('svg.graph g.c title').textContent",
            },
        },
    )
    assert before["order"] == ["3901264", "", "3901264"]
    assert after["order"] == ["", "3901264", "3901264"]
    assert after["sorted"] == "ascending"
    assert after["width"] == pytest.approx(after["box"] * 1.25)
    assert "half-pixel centers" in after["reason"]


def test_hostile_names_do_nothing_in_a_browser(tmp_path: Path) -> None:
    count = "document.querySelectorAll('script').length"
    jobs = []
    for index in range(0, len(NASTY), 9):
        tricks = "<script>window.pwned=1</script>".join(NASTY[index : index + 9])
        report = report_with(tricks)
        url = write(tmp_path, str(index), html.render(report))
        look = {"scripts": count, "pwned": "window.pwned ?? null"}
        jobs.append({"url": url, "width": 800, "evaluate": look})
    for job, result in zip(jobs, drive(*jobs), strict=True):
        assert result["scripts"] == 1
        assert result["pwned"] is None
        assert result["requests"] == [job["url"]]


@pytest.mark.parametrize(
    "report",
    [samples.digits(), samples.mixed(), samples.large(40, 300)],
    ids=["digits", "mixed", "large"],
)
def test_comment_needs_no_scrolling_on_a_phone(tmp_path: Path, report: Report) -> None:
    url = write(tmp_path, "comment", comment_page(markdown.render(report, markdown.COMMENT)))
    jobs = [
        {"url": url, "width": width, "dark": dark, "open": True, "wait": ".drawn"}
        for width, dark in ((400, False), (400, True), (920, False))
    ]
    for result in drive(*jobs):
        assert result["overflow"] == 0
