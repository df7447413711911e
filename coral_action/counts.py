"""Counts in messages."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """A count with its noun: "1 operator", "1,200 operators"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
