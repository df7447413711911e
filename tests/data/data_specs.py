"""The description of a model input, for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spec:
    """As `loading.TensorSpec`, without loading."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"
