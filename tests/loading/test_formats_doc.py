"""docs/formats.md says what the program does today."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from tests.loading.fork_server import ForkServer
from tests.loading.formats_doc import DOCUMENT, document, real_part, real_table, synthetic_tables
from tests.loading.outcomes import Outcomes

ADVICE = "run `python -m tests.loading.formats_doc`"


def test_tables_of_kinds_are_current(outcomes: Outcomes) -> None:
    if importlib.util.find_spec("onnx2tf") is None:
        pytest.skip("the table has ONNX models: pip install 'coral-quantize[onnx]'")
    current = DOCUMENT.read_text()
    assert document(synthetic_tables(outcomes), real_part(current)) == current, ADVICE


def test_table_of_real_models_is_current(corpus: Path, server: ForkServer, tmp_path: Path) -> None:
    assert real_table(corpus, server, tmp_path) == real_part(DOCUMENT.read_text()), ADVICE
