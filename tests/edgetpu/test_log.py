"""The log parser against every recorded text, and against what an index of them says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coral_action.edgetpu.log import STATUSES, CompilerLog, ModelLog, parse_log, parse_size
from coral_action.edgetpu.outcome import outcome

FIELDS = {
    "input": "input",
    "output": "output",
    "subgraphs": "subgraphs",
    "total_ops": "operators",
    "ops_tpu": "edge_tpu",
    "ops_cpu": "cpu",
}
SIZES = {
    "input_size": "input_size",
    "output_size": "output_size",
    "onchip_used": "on_chip_used",
    "onchip_available": "on_chip_available",
    "onchip_remaining": "on_chip_remaining",
    "offchip": "off_chip",
}


@pytest.fixture(scope="module")
def recordings(corpus: Path) -> list[tuple[dict[str, Any], CompilerLog]]:
    folder = corpus / "corpus" / "logs"
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    return [
        (entry, parse_log((folder / entry["file"]).read_bytes().decode("utf-8", "replace")))
        for entry in index
    ]


def _seen(model: ModelLog) -> dict[str, Any]:
    seen: dict[str, Any] = {"rows": [[row.name, row.count, row.status] for row in model.rows]}
    for name, attribute in FIELDS.items():
        if (value := getattr(model, attribute)) is not None:
            seen[name] = value
    for name, attribute in SIZES.items():
        if (size := getattr(model, attribute)) is not None:
            seen[name] = [size.text, size.bytes]
    return seen


def test_every_number_is_as_in_the_index(
    recordings: list[tuple[dict[str, Any], CompilerLog]],
) -> None:
    assert len(recordings) >= 160
    for entry, log in recordings:
        found = (log.version, log.milliseconds, log.searched, [_seen(m) for m in log.models])
        told = (
            entry["version"],
            entry["compile_ms"],
            entry["delegate_search_ops"],
            entry["models"],
        )
        assert found == told, entry["file"]


def test_every_outcome_is_as_in_the_index(
    recordings: list[tuple[dict[str, Any], CompilerLog]],
) -> None:
    wrong = {
        entry["file"]: (outcome(log), entry["outcome"])
        for entry, log in recordings
        if outcome(log) != entry["outcome"]
    }
    assert wrong == {}


def test_every_outcome_line_is_kept(recordings: list[tuple[dict[str, Any], CompilerLog]]) -> None:
    for entry, log in recordings:
        assert set(entry["outcome_lines"]) <= set(log.messages), entry["file"]


def test_no_line_of_versions_14_to_16_is_unknown(
    recordings: list[tuple[dict[str, Any], CompilerLog]],
) -> None:
    modern = [log for _, log in recordings if (log.version or "").startswith(("14.", "15.", "16."))]
    assert len(modern) > 50
    assert [log.unknown for log in modern if log.unknown] == []


def test_every_status_that_was_recorded_is_known(corpus: Path) -> None:
    recorded = json.loads((corpus / "corpus" / "logs" / "statuses.json").read_text())
    assert set(recorded) == set(STATUSES)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("64.00B", 64, 64),
        ("0.00B", 0, 0),
        ("1.00KiB", 1024 - 5.12, 1024 + 5.12),
        ("1.42MiB", 1.415 * 2**20, 1.425 * 2**20),
    ],
)
def test_a_rounded_size_says_how_far_off_it_may_be(text: str, low: float, high: float) -> None:
    size = parse_size(text)
    assert size is not None
    assert size.exact == (low == high)
    assert size.bytes - size.rounding <= low
    assert high <= size.bytes + size.rounding


def test_an_unknown_line_is_kept() -> None:
    log = parse_log(
        "Edge TPU Compiler version 17.0.1\nTensors were folded: 3\nCompilation failed!\n"
    )
    assert log.unknown == ["Tensors were folded: 3"]
    assert outcome(log) == "failed:silent"


def test_a_row_with_a_new_status_is_still_a_row() -> None:
    log = parse_log("Operator  Count  Status\nGELU   2   Not in this decade\n")
    assert [(row.name, row.count, row.status) for row in log.models[0].rows] == [
        ("GELU", 2, "Not in this decade")
    ]
    assert log.models[0].mapped == 0


@given(st.lists(st.text(st.characters(codec="utf-8", categories=["Ll", "Zs"]), max_size=40)))
def test_any_text_can_be_read_and_no_strange_line_is_lost(lines: list[str]) -> None:
    strange = [f"zz {line}".strip() for line in lines]
    assert parse_log("\n".join([*strange, "Compilation failed!", ""])).unknown == [
        line for text in strange for line in text.splitlines()
    ]


def test_words_around_a_recording_are_not_taken_for_the_compilers() -> None:
    log = parse_log("GPU 2 cores idle\nInput: a photo of a cat\nEdge TPU Compiler version 16.0.1\n")
    assert log.models == []
    assert log.surrounding == ["GPU 2 cores idle", "Input: a photo of a cat"]


def test_what_follows_the_end_of_a_recording_is_somebody_elses() -> None:
    log = parse_log("Compilation succeeded!\nThe model can now be copied to the board.\n")
    assert log.unknown == []
    assert log.surrounding == ["The model can now be copied to the board."]
