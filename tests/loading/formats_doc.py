"""docs/formats.md, made from models that are really loaded.

    CORAL_CORPUS=../shared python -m tests.loading.formats_doc

The table of real models needs the corpus; without it, the one in the file stays.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.paths import PathRules
from coral_action.errors import CoralQuantizeError
from coral_action.quantization import quantize_model
from tests.loading.cases import SECTIONS, Case
from tests.loading.conftest import make_zoo
from tests.loading.fork_server import PROJECT, ForkServer
from tests.loading.outcomes import Outcome, Outcomes
from tests.loading.test_shared_cases import QUANTIZED, REFUSED, float_model

DOCUMENT = PROJECT / "docs" / "formats.md"
TEMPLATE = PROJECT / "tests" / "loading" / "formats.template.md"
_HEADER = "| kind | in `coral.yml` | outcome | message and hint |\n|---|---|---|---|\n"
_REAL_HEADER = "| model | outcome | message and hint |\n|---|---|---|\n"
_REAL_TITLE = "### Real models\n"


def synthetic_tables(outcomes: Outcomes) -> str:
    """One table a section of `cases`."""
    tables = []
    for title, cases in SECTIONS.items():
        rows = [_row(case, outcomes.of(case)) for case in cases]
        tables.append(f"### {title}\n{_HEADER}" + "".join(rows))
    return "\n".join(tables)


def real_table(corpus: Path, server: ForkServer, folder: Path) -> str:
    """The shared cases, each loaded and, where it loads, quantized."""
    rows = []
    named = {**{k: (*v, "") for k, v in QUANTIZED.items()}, **REFUSED}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coral_action.loading.run_isolated", server.run_isolated)
        for name, (source, options, _) in sorted(named.items()):
            place = folder / name.replace(" ", "_")
            place.mkdir()
            try:
                config, model = float_model(corpus, source, options, place)
                quantize_model(config, model, PathRules(place), place / "int8.tflite")
                rows.append(_cells(name, "quantizes", _notes(Outcome(model, None, False))))
            except CoralQuantizeError as error:
                rows.append(_cells(name, "refused", _notes(Outcome(None, error, False))))
    return f"{_REAL_TITLE}{_REAL_HEADER}" + "".join(rows)


def document(synthetic: str, real: str) -> str:
    return TEMPLATE.read_text().replace("<!-- tables -->", f"{synthetic}\n{real}")


def real_part(text: str) -> str:
    """The table of real models in a document."""
    match = re.search(rf"{_REAL_TITLE}(\|.*\n)+", text)
    return match[0] if match else ""


def _row(case: Case, outcome: Outcome) -> str:
    options = "; ".join(f"`{key}: {json.dumps(value)}`" for key, value in case.config.items())
    if case.allow_custom_code:
        options = "`--allow-custom-code` on the command line"
    if outcome.model is None:
        result = "refused"
    else:
        result = "loads, not quantized again" if outcome.model.already_quantized else "loads"
    return _cells(case.kind, options, result, _notes(outcome))


def _notes(outcome: Outcome) -> str:
    if outcome.model is not None:
        return "; ".join(f"{f.id}: {f.message}" for f in outcome.model.findings)
    error = outcome.error
    assert error is not None
    message = re.sub(r"/\S*/([^/\s]+:)", r"\1", error.message)
    return f"{message} ({error.hint})"


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def main() -> None:
    corpus: Any = os.environ.get("CORAL_CORPUS")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "zoo").mkdir()
        (folder / "out").mkdir()
        make_zoo(folder / "zoo", PROJECT / "examples" / "digits")
        server = ForkServer(folder)
        synthetic = synthetic_tables(Outcomes(folder / "zoo", server, folder / "out"))
        if corpus:
            real = real_table(Path(corpus).resolve(), server, folder)
        else:
            real = real_part(DOCUMENT.read_text())
        server.close()
    DOCUMENT.write_text(document(synthetic, real))


if __name__ == "__main__":
    main()
