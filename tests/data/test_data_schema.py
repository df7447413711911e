"""The data sections of coral.yml: one error a mistake, in plain words, at its line."""

from __future__ import annotations

import pytest

from coral_action.config.data_schema import CalibrationConfig, EvaluationConfig, PreprocessConfig
from coral_action.config.loader import parse_config
from coral_action.config.schema import Config
from coral_action.errors import ConfigError

TEXT = """version: 1
models:
  - name: d
    source: d.h5
    calibration: {calibration}
    evaluation: {evaluation}
    preprocess: {preprocess}
"""


def parsed(
    calibration: str = "{images: a}",
    evaluation: str = "{images: b, labels: folders}",
    preprocess: str = "{}",
) -> Config:
    text = TEXT.format(calibration=calibration, evaluation=evaluation, preprocess=preprocess)
    return parse_config(text, "coral.yml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{images: 3}", "images: must be a path, or a mapping of model inputs to paths"),
        ("{npy: {x: 3}}", "npy: must be a path, or a mapping of model inputs to paths"),
        ("{images: a, npy: b}", "name exactly one source: images, npy, npz, tfrecord, csv, wav"),
        ("{samples: 3}", "name exactly one source"),
        ("{python: a.py}", "python: must be `file.py:function`"),
        ("{images: a, labels: classes}", "`labels` is `folders`, a .csv"),
        ("{npz: a, labels: folders}", "an npz carries its labels as `y`"),
        ("{csv: a, labels: folders}", "`labels` belong to images and wav"),
        ("{images: a, class_names: n.txt}", "`class_names` belongs to a `labels` .csv"),
        ("{npz: a, masks: m}", "`masks` belong to images of one input"),
        ("{images: a, max_bad_files: -1}", "max_bad_files: input should be greater than or equal"),
        ("{images: a, allow_custom_code: true}", "allow_custom_code: unknown key"),
        ("{wav: {fils: a}}", 'unknown key; did you mean "files"?'),
        (
            "{tfrecord: {files: a, features: {x: {decode: raw}}}}",
            "`dtype` belongs to `decode: raw`, and to nothing else",
        ),
    ],
)
def test_calibration_mistakes(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(calibration=text)
    assert message in caught.value.message
    assert caught.value.message.startswith("coral.yml:5:")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{mean: a}", "mean: must be a number, or a list of one for each channel"),
        ("{std: [1, 0, 1]}", "std: std divides: it can't be 0"),
        ("{scale: 0}", "every pixel times 0 is 0"),
        ("{expect: [1, -1]}", "expect: the lowest value comes first"),
        ("{preset: mobilenet}", "'keras.mobilenet', 'keras.resnet50', 'torchvision'"),
        ("{resize: {mode: crop, fill: 3}}", "`fill` belongs to `mode: letterbox`"),
        ("{resize: {mode: letterbox, fill: 300}}", "a pixel value lies between 0 and 255"),
        ("{resize: {filter: lanczos}}", "filter"),
    ],
)
def test_preprocess_mistakes(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(preprocess=text)
    assert message in caught.value.message
    assert caught.value.message.count("\n") == 0


@pytest.mark.parametrize("text", ["{npy: a}", "{images: a}", "{csv: a}", "{wav: a}"])
def test_evaluation_does_without_labels(text: str) -> None:
    """Float and int8 are then compared with each other only."""
    (model,) = parsed(evaluation=text).models
    assert model.evaluation.labels is None


def test_preprocess_is_for_images_but_for_what_is_expected() -> None:
    arrays = {"calibration": "{npy: a}", "evaluation": "{npz: b}"}
    assert parsed(**arrays, preprocess="{expect: [-1, 1]}")
    with pytest.raises(ConfigError, match="preprocess applies to images"):
        parsed(**arrays, preprocess="{preset: raw}")


def test_short_forms_mean_the_long_ones() -> None:
    short, long = (
        parsed(preprocess=text).models[0].preprocess
        for text in ("{resize: [28, 14]}", "{resize: {size: [28, 14], mode: stretch}}")
    )
    assert short == long
    a, b = (parsed(calibration=text).models[0] for text in ("{csv: a}", "{csv: {file: a}}"))
    assert a.calibration == b.calibration


@pytest.mark.parametrize(
    "section",
    [
        CalibrationConfig.model_validate({"tfrecord": {"files": "a", "features": {"x": {}}}}),
        CalibrationConfig.model_validate({"wav": "a", "labels": "folders"}),
        EvaluationConfig.model_validate({"images": "a", "masks": "b"}),
        PreprocessConfig.model_validate({"preset": "torchvision", "resize": [3, 4], "mean": [1.0]}),
    ],
)
def test_sections_cross_to_a_child_as_they_are(section: CalibrationConfig) -> None:
    assert type(section).model_validate(section.model_dump(mode="json")) == section
