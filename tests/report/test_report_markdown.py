"""The Markdown: verdict first, one table, details; and what goes when it has to fit."""

from __future__ import annotations

import time

import pytest
import report_samples as samples
from comment_page import to_html
from rendered import Page

from coral_action.report import markdown, text
from coral_action.report.fit import COMMENT, Block, Budget, Cost, choose
from coral_action.report.model import Report
from coral_action.report.sections import EdgeTpuData


def rows_of(text: str) -> list[str]:
    """Rows of the first table, without its header."""
    lines = text.split("\n")
    start = lines.index("|:--|:--|:--|:--|") + 1
    return lines[start : lines.index("", start)]


@pytest.mark.parametrize(
    ("models", "first"),
    [
        ([samples.good()], "### ✅ coral-quantize: 1 model passed"),
        (
            [samples.good(), samples.exceeded()],
            "### ⚠️ coral-quantize: 1 of 2 models exceeded a limit",
        ),
        ([samples.good(), samples.failed()], "### ❌ coral-quantize: 1 of 2 models failed"),
        (
            [samples.exceeded(), samples.failed()],
            "### ❌ coral-quantize: 1 of 2 models failed, 1 exceeded a limit",
        ),
    ],
)
def test_the_first_line_is_the_verdict(models: list[samples.Plain], first: str) -> None:
    assert markdown.render(samples.report_of(*models)).split("\n")[0] == first


def test_the_reason_stands_before_the_table() -> None:
    text = markdown.render(samples.report_of(samples.exceeded(), samples.failed()))
    head = Page(to_html(text.split("| Model")[0]))
    said = "".join(head.all_text)
    assert "keyword_gru: models/gru.pb: the graph has a loop (while/Exit)" in said.replace(
        "\u200d", ""
    )
    assert "deeplab_slim: accuracy drop is 2.30 points, the limit is 1.00 points" in said
    assert "deeplab_slim: 8 operators on the CPU, the limit is 0" in said


def test_the_row_of_a_model() -> None:
    (row,) = rows_of(markdown.render(samples.report_of(samples.good())))
    shown = "".join(Page(to_html(f"|a|b|c|d|\n|-|-|-|-|\n{row}")).all_text)
    for figure in (
        "13.33 → 3.72 MiB",  # 13,978,596 and 3,901,264 bytes by 2**20
        "−72 %",  # noqa: RUF001  1 - 3901264 / 13978596 = 72.09 %
        "Edge TPU 3.97 MiB",
        "65 of 65",
        "██████",
        "71.80 → 71.40 %",
        "−0.40 (−1.30 to +0.50)",  # noqa: RUF001
        "about 2.6 ms (0.9 to 8.8)",
    ):
        assert figure in shown
    assert "░" not in row


def test_the_bar_is_never_full_when_an_operator_is_on_the_cpu() -> None:
    placed = samples.placement(samples.operators(1000, {999: samples.RESIZE}))
    report = samples.report_of(samples.good() | {"placement": placed})
    (row,) = rows_of(markdown.render(report))
    assert "█████░" in row


def test_a_failed_model_has_a_row_without_figures() -> None:
    (row,) = rows_of(markdown.render(samples.report_of(samples.failed())))
    assert row.count("—") == 3


def test_operators_of_one_kind_are_taken_together() -> None:
    text = markdown.render(samples.report_of(samples.exceeded()))
    listed = [line for line in text.split("\n") if "it comes after an operator" in line]
    assert len(listed) == 1
    assert "×7 (41, 42, 43, 44 …)" in listed[0]  # noqa: RUF001


def test_diagram_only_where_the_model_is_divided() -> None:
    assert "```mermaid" not in markdown.render(samples.report_of(samples.good()))
    text = markdown.render(samples.report_of(samples.exceeded()))
    assert 's0["Edge TPU: 40 operators"]:::edge_tpu' in text
    assert 's1["CPU: 8 operators"]:::cpu' in text


def test_all_that_the_issue_asks_for_is_in_the_details() -> None:
    page = Page(to_html(markdown.render(samples.report_of(samples.good(), samples.exceeded()))))
    said = "".join(page.all_text)
    for words in (
        "Operators left on the CPU",
        "half_pixel_centers",  # an advice
        "Layers that lose most",
        "Calibration data",
        "6 of 100 calibration images are black",
        "parameters on the chip 3.41 MiB",
        "586d632cf9e2a470d4456605865a5339697c6da75e3022ef95cbcfdee72abc6d",
        "tensorflow 2.21.0",
        'docker run --rm --volume "$PWD:/github/workspace"',
        "Samples that changed",
        "Classes that lost most",
    ):
        assert words in said, words
    summaries = [tag for tag, _ in page.tags if tag == "summary"]
    assert len(summaries) == 3  # of each model, and of its code for boards


def test_large_report_fits_with_verdict_and_table_whole() -> None:
    report = samples.large(40, 300)
    started = time.perf_counter()
    text = markdown.render(report, COMMENT)
    seconds = time.perf_counter() - started
    assert len(text) <= 65_000
    assert len(text.encode()) <= 65_000
    assert text.startswith("### ⚠️ coral-quantize: 10 of 40 models exceeded a limit\n")
    assert len(rows_of(text)) == 40
    assert rows_of(text) == rows_of(markdown.render(report))
    assert "**Left out so that it fits:**" in text
    assert "report.html" in text
    assert seconds < 30  # no measurement, only a guard against quadratic work: see bench/report.py


@pytest.mark.parametrize("characters", [1500, 2500, 4000, 8000, 16000])
def test_any_budget_is_kept_and_nothing_is_cut_in_the_middle(characters: int) -> None:
    report = samples.mixed()
    text = markdown.render(report, Budget(characters, 10**9))
    assert len(text) <= max(characters, len(markdown.render(report, Budget(0, 0))))
    page = Page(to_html(text))
    assert not page.broken
    assert text.count("<details") == text.count("</details>")
    assert text.count("```") % 2 == 0
    whole = markdown.render(report)
    for line in text.split("\n"):
        assert line in whole or line.startswith("**Left out"), line


def test_bytes_count_too() -> None:
    report = samples.mixed()
    text = markdown.render(report, Budget(10**9, 4000))
    assert len(text.encode()) <= 4000


def test_least_useful_sections_go_first() -> None:
    report = samples.mixed()
    whole = markdown.render(report)
    text = markdown.render(report, Budget(len(whole) - 200, 10**9))
    assert "files and hashes" in text.split("**Left out so that it fits:**")[1]
    assert "half_pixel" in text.replace("&#95;<wbr>", "_").replace("&#95;", "_")


def test_rows_go_only_after_all_details_and_passed_models_first() -> None:
    report = samples.mixed()
    least = markdown.render(report, Budget(1, 1))
    assert "<details" not in least
    assert "row of the table (3)" in least
    rows = markdown.render(report, Budget(2300, 10**9))
    assert "<details" not in rows
    assert "❌ <code>keyword" in rows


def test_of_equal_worth_the_last_goes_first() -> None:
    blocks = [Block("x" * 99, (1,), f"b{i}", i) for i in range(3)]
    kept, left_out = choose(blocks, Budget(250, 10**9), Cost(), lambda _: Cost())
    assert kept == {0, 1}
    assert dict(left_out) == {"b2": 1}


def test_frame_of_an_owner_is_saved_with_its_last_block() -> None:
    blocks = [Block("x" * 9, (1,), "a", 0), Block("x" * 9, (2,), "b", 1)]
    kept, _ = choose(blocks, Budget(60, 10**9), Cost(), lambda _: Cost(50, 50))
    assert kept == {1}


@pytest.mark.parametrize(
    ("name", "most", "value", "words"),
    [
        ("cpu_operators", 0, 1, "1 operator on the CPU, the limit is 0"),
        ("cpu_operators", 1, 1200, "1,200 operators on the CPU, the limit is 1"),
        ("int8_size", 65_536, 65_546, "int8 size is 65,546 B, the limit is 65,536 B"),
        ("int8_size", 65_536, 99_999, "int8 size is 97.7 KiB, the limit is 64.0 KiB"),
        ("accuracy_drop", 1, 1.004, "accuracy drop is 1.004 points, the limit is 1.00 points"),
        ("accuracy_drop", 0.125, 0.2, "accuracy drop is 0.20 points, the limit is 0.125 points"),
    ],
)
def test_a_limit_is_not_rounded_to_what_exceeds_it(
    name: str, most: float, value: float, words: str
) -> None:
    model = samples.exceeded() | {"limits": [samples.limit(name, most, value)]}
    (found,) = samples.report_of(model).models
    assert text.limit_sentence(found.limits[0], found) == words


@pytest.mark.parametrize(
    ("latency", "words"),
    [
        (1.74, "about 1.7 ms (0.7 to 7)"),
        (99.6, "about 100 ms (40 to 398)"),
        (123.4, "about 123 ms (49 to 494)"),
    ],
)
def test_no_exponent_in_a_latency(latency: float, words: str) -> None:
    chip = EdgeTpuData(
        latency_ms=latency, latency_low_ms=latency / 2.5, latency_high_ms=latency * 4
    )
    assert text.latency(chip) == words


def test_fractions_that_differ_in_their_last_digit_read_alike() -> None:
    model = samples.good()
    metric = samples.metric("recall", 0.9187500000000001, 0.9187499999999998) | {"drop": 0.0}
    model["accuracy"] = model["accuracy"] | {"metrics": [metric]}
    (found,) = samples.report_of(model).models
    assert text.accuracy(found) == "recall 91.88 → 91.88 % (±0.00)"
    assert text.percent(0.9187499999999998) == "91.88 %"


def test_numbers_and_sizes_are_rounded_within_their_unit() -> None:
    assert [text.number(value) for value in (12_345.6, 0.25, 1e30)] == ["12346", "0.25", "1e+30"]
    assert [text.size(count) for count in (1023, 1024, 2**20 - 1)] == [
        "1023 B",
        "1.0 KiB",
        "1.00 MiB",
    ]


def test_an_empty_report_renders() -> None:
    report = Report.from_data({"schema_version": 1, "tool": {}, "models": []})
    assert markdown.render(report).startswith("### ✅ coral-quantize: 0 models passed")


def test_a_structural_loss_leads_with_the_layer() -> None:
    model = samples.exceeded()
    model["accuracy"] = model["accuracy"] | {"structural": True}
    head = markdown.render(samples.report_of(model)).split("| Model")[0]
    said = "".join(Page(to_html(head)).all_text)
    assert "layer block_0/depthwise/Relu6;block_0/batch_norm loses most (12.5 dB)" in said


@pytest.mark.parametrize(
    ("unit", "confidence", "words"),
    [
        ("fraction", None, "accuracy drop is 2.30 points, the limit is 1.00 points"),
        (
            "fraction",
            0.95,
            "accuracy drop is at least 2.30 points (95 %), the limit is 1.00 points",
        ),
        ("value", None, "accuracy drop is 2.3, the limit is 1"),
    ],
)
def test_a_limit_says_its_unit(unit: str, confidence: float | None, words: str) -> None:
    drop = samples.limit("accuracy_drop", 1.0, 2.3) | {"confidence": confidence}
    metric = samples.metric("mae", 0.5, 0.4, unit=unit)
    section = {"samples": 9, "kernels": "xnnpack", "metrics": [metric]}
    model = samples.exceeded() | {"limits": [drop], "accuracy": section}
    said = "".join(Page(to_html(markdown.render(samples.report_of(model)))).all_text)
    assert words in said
