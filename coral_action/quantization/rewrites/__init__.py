"""Operators that the Edge TPU compiler refuses, written in an equivalent older form.

Each rewrite is one file with one function: it edits the graph, and says what it changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from coral_action.findings import Finding
from coral_action.quantization.graph import Graph
from coral_action.quantization.rewrites.gelu import approximate_gelu
from coral_action.quantization.rewrites.hard_swish import spell_out_hard_swish
from coral_action.quantization.rewrites.padded_pool import pool_without_padding
from coral_action.quantization.rewrites.products import multiply_instead
from coral_action.quantization.rewrites.resize import half_pixel_left, simplify_resize
from coral_action.quantization.rewrites.transpose_conv import split_transpose_conv
from coral_action.quantization.rewrites.unpack import unpack_by_slices
from coral_action.quantization.rewrites.unread_split import slice_instead

Rewrite = Callable[[Graph], list[str]]


@dataclass(frozen=True)
class Rewritten:
    """A model after its rewrites: the same bytes where nothing applied."""

    content: bytes
    changes: tuple[str, ...]
    findings: tuple[Finding, ...]


REWRITES: tuple[Rewrite, ...] = (
    split_transpose_conv,
    spell_out_hard_swish,
    approximate_gelu,
    simplify_resize,
    multiply_instead,
    slice_instead,
    unpack_by_slices,
    pool_without_padding,
)


def rewrite(content: bytes) -> Rewritten:
    """Apply every rewrite to a float .tflite."""
    graph = Graph(content)
    changes = [change for apply in REWRITES for change in apply(graph)]
    findings = tuple(half_pixel_left(graph))
    return Rewritten(graph.pack() if changes else content, tuple(changes), findings)
