"""The HTML page, taken apart without a browser; test_report_browser.py opens it in one."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
import report_samples as samples
from hypothesis import given, settings
from hypothesis import strategies as st
from rendered import Page

from coral_action.report import html
from coral_action.report.charts import histogram
from coral_action.report.graph import _HEIGHT, _WIDTH, layout
from coral_action.report.model import OperatorData
from coral_action.report.sections import DataSetData, Histogram


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(html.render(samples.mixed()))


def test_every_element_is_closed(page: Page) -> None:
    assert page.broken == []
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


def test_nothing_is_fetched(page: Page) -> None:
    for _, name, value in page.attributes:
        if name in ("src", "href", "action", "data", "poster", "srcset"):
            assert value.startswith(("#model-", "data:image/"))
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed", "base"}
    assert "@import" not in "".join(page.all_text)
    assert "url(" not in "".join(page.all_text)


def test_policy_allows_the_one_script_by_its_hash() -> None:
    text = html.render(samples.digits())
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert f"script-src 'sha256-{digest}'" in policy
    assert "unsafe-eval" not in policy


def test_it_says_why_a_calibrator_was_chosen() -> None:
    how = samples.good()["quantization"] | {
        "why": "it is the best",
        "rewrites": ["`GELU` in parts"],
    }
    said = "".join(
        Page(html.render(samples.report_of(samples.good() | {"quantization": how}))).all_text
    )
    assert "it is the best" in said
    assert "GELU in parts" in said


def test_the_essentials_are_there_without_a_script(page: Page) -> None:
    said = " ".join("".join(page.all_text).split())
    for words in (
        "coral-quantize: 1 of 3 models failed, 1 exceeded a limit",
        "deeplab_slim: accuracy drop is 2.30 points, the limit is 1.00 points",
        "models/gru.pb: the graph has a loop",
        "13.33 → 3.72 MiB (−72 %), compiled 3.97 MiB",  # noqa: RUF001
        "it has half-pixel centers",
        "percentile 99.99",
        "block_0/depthwise/Relu6;block_0/batch_norm",
        "Newly on the CPU: RESIZE_BILINEAR (40), CONV_2D (41)",
        "Float and int8 choose the same class in 98.20 %",
        "SHA-256 586d632cf9e2a470d4456605865a5339697c6da75e3022ef95cbcfdee72abc6d",
        "docker run --rm",
    ):
        assert words in said, words


def test_graph_has_every_operator_in_its_colour() -> None:
    text = html.render(samples.report_of(samples.exceeded()))
    (graph,) = re.findall(r'<svg class="graph".*?</svg>', text, re.DOTALL)
    assert graph.count('<g class="t"') == 40
    assert graph.count('<g class="c"') == 8
    assert graph.count("<title>") == 48
    assert "<title>40 RESIZE_BILINEAR: CPU\n" in graph
    assert "which the Edge TPU&#39;s RESIZE_BILINEAR has not" in graph


def test_large_report_is_below_ten_megabytes() -> None:
    """40 models of 300 operators, each with a contact sheet as large as runs make them."""
    report = samples.large(40, 300)
    sheet = "data:image/webp;base64," + "A" * (64 * 1024 * 4 // 3)
    data = DataSetData(count=100, sheet=sheet)
    models = [model.model_copy(update={"calibration": data}) for model in report.models]
    text = html.render(report.model_copy(update={"models": models}))
    assert len(text.encode()) < 10_000_000
    kept = text.count(sheet)
    assert kept >= 10  # the first models keep theirs
    assert f"leaves out the pictures of {40 - kept} models" in text
    assert text.index(sheet) < text.index('id="model-2"')


def operators(edges: list[list[int]]) -> list[OperatorData]:
    return [
        OperatorData(index=i, name="ADD", target="edge_tpu", inputs=inputs)
        for i, inputs in enumerate(edges)
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(-3, 60), max_size=4), min_size=1, max_size=50))
def test_boxes_never_overlap_and_lie_below_what_they_read(edges: list[list[int]]) -> None:
    nodes = layout(operators(edges))
    assert len(nodes) == len(edges)
    corners = [(node.x, node.y) for node in nodes]
    for place, (x, y) in enumerate(corners):
        assert x >= 0
        assert y >= 0
        for other_x, other_y in corners[:place]:
            assert abs(x - other_x) >= _WIDTH or abs(y - other_y) >= _HEIGHT
        for source in nodes[place].inputs:
            assert source < place
            assert nodes[source].y + _HEIGHT < y


def test_a_chain_without_known_inputs_is_drawn_as_a_chain() -> None:
    nodes = layout(operators([[], [], []]))
    assert [node.inputs for node in nodes] == [(), (0,), (1,)]
    assert len({node.x for node in nodes}) == 1


def test_histogram_is_an_outline_on_a_logarithmic_scale() -> None:
    data = Histogram(low=-1, high=1, counts=[0, 3, 0, 9], int8_low=-5, int8_high=0)
    svg = str(histogram(data, "<b>layer</b>"))
    # A bar of 9 is 84 high, one of 3 is 84 * log(4) / log(10) = 51; y goes down, from 90.
    assert 'd="M0 90V90h70V39h70V90h70V6h70V90z"' in svg
    assert "<b>" not in svg
    assert 'x="0.0" width="140.0"' in svg  # from the left edge to the middle of 280
    assert "12 values from -1 to 1; int8 covers -5 to 0" in svg


@pytest.mark.parametrize("counts", [[0], [0, 0], [1]])
def test_histogram_of_nothing(counts: list[int]) -> None:
    assert "nan" not in str(histogram(Histogram(low=2, high=2, counts=counts), "x"))
