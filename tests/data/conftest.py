"""Helpers for tests of data sources."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_specs import Spec

from coral_action.config.data_schema import (
    CalibrationConfig,
    DataSection,
    EvaluationConfig,
    PreprocessConfig,
)
from coral_action.config.paths import PathRules
from coral_action.data import Samples, open_samples

Open = Callable[..., Samples]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    """Open samples below tmp_path from the sections of a coral.yml given as plain data."""

    def open_(
        data: dict[str, Any],
        *shapes: tuple[int, ...],
        preprocess: dict[str, Any] | None = None,
        evaluation: bool = False,
        specs: list[Spec] | None = None,
        root: Path | None = tmp_path,
        **options: Any,
    ) -> Samples:
        section: type[DataSection] = EvaluationConfig if evaluation else CalibrationConfig
        return open_samples(
            section.model_validate(data),  # type: ignore[arg-type]
            PreprocessConfig.model_validate(preprocess or {}),
            PathRules(tmp_path, root),
            specs or [Spec(f"in{i}", shape) for i, shape in enumerate(shapes)],
            **options,
        )

    return open_


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow, as the judge of what agrees with it."""
    import tensorflow

    return tensorflow
