"""A count and its noun agree, wherever one of a thing is said."""

from __future__ import annotations

import pytest

from coral_action.commands.check import _headline
from coral_action.counts import plural


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (1200, "1,200 files")]
)
def test_a_count_and_its_noun(count: int, said: str) -> None:
    assert plural(count, "file") == said


@pytest.mark.parametrize(
    ("edge_tpu", "cpu", "said"),
    [
        (1, 0, "its only operator is expected on the Edge TPU"),
        (0, 1, "its only operator is expected on the CPU"),
        (4, 0, "all 4 operators are expected on the Edge TPU"),
        (1, 3, "1 of 4 operators are expected on the Edge TPU"),
    ],
)
def test_a_models_only_operator(edge_tpu: int, cpu: int, said: str) -> None:
    assert _headline(edge_tpu, cpu, refused=False) == said
