"""Data files to samples; one file a source.

Whoever opens samples reads strangers' files: only child processes do (`isolation.run_isolated`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from coral_action.config.data_schema import (
    CalibrationConfig,
    DataSection,
    EvaluationConfig,
    PreprocessConfig,
)
from coral_action.config.paths import PathRules
from coral_action.data.diagnosis import compare, diagnose
from coral_action.data.early import EarlyImages
from coral_action.data.fingerprint import fingerprint, runs_custom_code
from coral_action.data.labels import class_names, read_labels_file
from coral_action.data.preprocess import ImagePreprocessor, Normalization, profile_of
from coral_action.data.samples import (
    BadFile,
    InputProfile,
    InputSpec,
    Label,
    Profile,
    Sample,
    Samples,
    at_once,
)
from coral_action.data.sampling import choose
from coral_action.data.sheet import SheetTiles, contact_sheet
from coral_action.data.sources import OPENERS, Request, class_list
from coral_action.data.statistics import SampleStatistics, merged
from coral_action.errors import DataError

__all__ = [
    "BadFile",
    "EarlyImages",
    "InputProfile",
    "Label",
    "Normalization",
    "Profile",
    "Sample",
    "SampleStatistics",
    "Samples",
    "SheetTiles",
    "at_once",
    "class_list",
    "class_names",
    "compare",
    "contact_sheet",
    "diagnose",
    "fingerprint",
    "merged",
    "normalization_of",
    "open_samples",
    "read_labels_file",
    "requested_samples",
    "runs_custom_code",
]


def open_samples(
    config: CalibrationConfig | EvaluationConfig,
    preprocess: PreprocessConfig,
    paths: PathRules,
    specs: Sequence[InputSpec],
    *,
    allow_custom_code: bool = False,
    early: EarlyImages | None = None,
) -> Samples:
    """The samples that coral.yml names, as the model's inputs take them.

    Args:
        config: the section `calibration` or `evaluation`.
        preprocess: for sources of images.
        paths: where paths begin, and what none may leave.
        specs: the model's inputs.
        allow_custom_code: whether `python:` may run; never taken from coral.yml.
        early: images that were decoded before, so as not to do it again.

    Raises:
        DataError: if there are none, or they don't fit.
        UsageError: if custom code is named and not allowed.
        ConfigError: if a path leaves the workspace.
    """
    labelled = isinstance(config, EvaluationConfig)
    section = "evaluation" if labelled else "calibration"
    kind, value = config.source
    request = Request(
        config,
        value,
        preprocess,
        paths,
        specs,
        config.samples,
        labelled,
        allow_custom_code,
        early or EarlyImages(),
    )
    try:
        source = OPENERS[kind](request)
        chosen = choose(
            source.names,
            limit=config.samples,
            seed=config.seed,
            shuffle=config.shuffle,
            classes=source.classes,
        )
        if not chosen:
            raise DataError(f"{value}: no samples", hint="the data named in coral.yml is empty")
    except DataError as error:
        raise DataError(f"{section}: {error.message}", hint=error.hint) from error
    return Samples(source, specs, chosen, _profile(section, config, preprocess, specs))


def requested_samples(
    request: Mapping[str, Any],
    section: Literal["calibration", "evaluation"],
    specs: Sequence[InputSpec],
    early: EarlyImages | None = None,
) -> Samples:
    """The samples that a request to a child process names; errors as of `open_samples`.

    Args:
        request: `calibration` or `evaluation`, `preprocess`, `paths` and `allow_custom_code`, as
            plain data.
        section: which of both.
        specs: the model's inputs.
        early: images that were decoded before.
    """
    kind = CalibrationConfig if section == "calibration" else EvaluationConfig
    return open_samples(
        kind.model_validate(request[section]),
        PreprocessConfig.model_validate(request["preprocess"]),
        PathRules.from_json(request["paths"]),
        specs,
        allow_custom_code=request["allow_custom_code"] is True,
        early=early,
    )


def normalization_of(
    preprocess: PreprocessConfig, spec: InputSpec
) -> tuple[Normalization | None, bool]:
    """How an input is made from images, and whether coral.yml says so; None if it takes none."""
    try:
        found = ImagePreprocessor(preprocess, spec).normalization
    except DataError:
        return None, False
    return found, profile_of(preprocess, spec, from_images=True).scaling_declared


def _profile(
    section: str, config: DataSection, preprocess: PreprocessConfig, specs: Sequence[InputSpec]
) -> Profile:
    features = config.tfrecord.features if config.tfrecord else {}
    from_images = {
        spec.name: config.images is not None
        or (spec.name in features and features[spec.name].decode == "image")
        for spec in specs
    }
    inputs = tuple(profile_of(preprocess, s, from_images=from_images[s.name]) for s in specs)
    return Profile(section, inputs, config.max_bad_files)
