"""Data files to samples; one file a source."""

from __future__ import annotations

from collections.abc import Sequence

from coral_action.config.data_schema import CalibrationConfig, EvaluationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data.images import ImageSource
from coral_action.data.npy import NpySource
from coral_action.data.npz import NpzSource
from coral_action.data.samples import InputSpec, Sample, Samples, Source, choose
from coral_action.errors import DataError

__all__ = ["Sample", "Samples", "open_samples"]


def open_samples(
    config: CalibrationConfig | EvaluationConfig,
    preprocess: PreprocessConfig,
    paths: PathRules,
    specs: Sequence[InputSpec],
) -> Samples:
    """The samples that coral.yml names, as the model's inputs take them.

    Raises:
        DataError: if there are none, or they don't fit.
    """
    labelled = isinstance(config, EvaluationConfig)
    section = "evaluation" if labelled else "calibration"
    limit, seed = (
        (config.samples, config.seed) if isinstance(config, CalibrationConfig) else (None, 0)
    )
    kind, value = config.source
    labels = isinstance(config, EvaluationConfig) and config.labels is not None
    path = paths.resolve(value)
    try:
        source: Source
        if kind == "images":
            source = ImageSource(path, specs, preprocess, paths, labelled=labels)
        elif kind == "npy":
            source = NpySource(path, specs)
        else:
            source = NpzSource(path, specs, labelled=labelled)
        chosen = choose(len(source.names), limit, seed)
        if not chosen:
            raise DataError(f"{path}: no samples", hint="the data named in coral.yml is empty")
        return Samples(source, specs, chosen)
    except DataError as error:
        raise DataError(f"{section}: {error.message}", hint=error.hint) from error
