"""docs/security.md names tests, and each of them is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from harness import PROJECT

DOCUMENT = (PROJECT / "docs" / "security.md").read_text()
NAMED = set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", DOCUMENT))


def names_in(path: Path) -> set[str]:
    body = ast.parse(path.read_text()).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def test_named_tests_exist() -> None:
    files = {path.name: path for path in (PROJECT / "tests").rglob("test_*.py")}
    missing = [f"{f}::{t}" for f, t in NAMED if f not in files or t not in names_in(files[f])]
    assert missing == []
    assert len(NAMED) > 50


def test_every_hazard_has_a_test() -> None:
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", DOCUMENT, re.MULTILINE)
    hazards = [row for row in rows if row[0] not in ("Hazard", ":--") and "---" not in row[0]]
    sections = DOCUMENT.split("## Mutations")[0].split("## Hazards")[1]
    without = [row[0] for row in hazards if row[0] in sections and "`test_" not in row[2]]
    assert without == []


def test_links_lead_somewhere() -> None:
    """But for sandbox.md, which describes the child process."""
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", DOCUMENT):
        assert target == "sandbox.md" or (PROJECT / "docs" / target).exists(), target
