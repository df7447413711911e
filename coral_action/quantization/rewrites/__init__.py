"""Operators that the Edge TPU compiler refuses, written in an equivalent older form.

Each rewrite is one file with one function: it edits the graph, and says what it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coral_action.findings import Finding
from coral_action.quantization.graph import Graph

Rewrite = Callable[[Graph], list[str]]


@dataclass(frozen=True)
class Rewritten:
    """A model after its rewrites: the same bytes where nothing applied."""

    content: bytes
    changes: tuple[str, ...]
    findings: tuple[Finding, ...]


REWRITES: tuple[Rewrite, ...] = ()


def rewrite(content: bytes) -> Rewritten:
    """Apply every rewrite to a float .tflite."""
    graph = Graph(content)
    changes = [change for apply in REWRITES for change in apply(graph)]
    return Rewritten(graph.pack() if changes else content, tuple(changes), ())
