"""Each preset against an independent computation."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from data_specs import Spec
from PIL import Image

from coral_action.config.data_schema import PreprocessConfig, PresetName
from coral_action.data.preprocess import ImagePreprocessor, profile_of
from coral_action.data.presets import PRESETS
from coral_action.errors import DataError

RGB = np.random.default_rng(4).integers(0, 256, (12, 10, 3), dtype=np.uint8)
SPEC = Spec("image", (1, 12, 10, 3))


def fed(preset: str, **keys: Any) -> np.ndarray:
    config = PreprocessConfig.model_validate({"preset": preset, **keys})
    return ImagePreprocessor(config, SPEC)(Image.fromarray(RGB))


def test_every_preset_of_the_schema_has_its_numbers() -> None:
    assert set(get_args(PresetName)) == set(PRESETS)


@pytest.mark.parametrize(
    ("preset", "module"), [("keras.mobilenet", "mobilenet_v2"), ("keras.resnet50", "resnet50")]
)
def test_keras_presets_are_what_keras_does(preset: str, module: str, tensorflow: Any) -> None:
    judge = getattr(tensorflow.keras.applications, module).preprocess_input
    expected = judge(RGB.astype(np.float32))  # a copy: Keras works in place
    np.testing.assert_allclose(fed(preset), expected, atol=2e-5)


def test_torchvision_is_to_tensor_and_normalize() -> None:
    expected = np.empty(RGB.shape)
    for channel, (mean, std) in enumerate([(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]):
        expected[..., channel] = (RGB[..., channel].astype(float) / 255 - mean) / std
    np.testing.assert_allclose(fed("torchvision"), expected, atol=1e-5)


def test_0_1_and_raw() -> None:
    np.testing.assert_allclose(fed("0-1"), RGB.astype(float) / 255, atol=1e-7)
    np.testing.assert_array_equal(fed("raw"), RGB.astype(np.float32))


@pytest.mark.parametrize("preset", list(PRESETS))
def test_the_expected_interval_is_that_of_black_and_white(preset: str) -> None:
    spec = Spec("image", (1, 2, 1, 3))
    config = PreprocessConfig.model_validate({"preset": preset})
    values = [
        ImagePreprocessor(config, spec)(Image.new("RGB", (1, 2), (level,) * 3))
        for level in (0, 255)
    ]
    low, high = profile_of(config, spec, from_images=True).expected or (0, 0)
    assert low == pytest.approx(np.min(values), abs=1e-5)
    assert high == pytest.approx(np.max(values), abs=1e-5)


def test_a_gray_model_takes_a_preset_of_one_number() -> None:
    config = PreprocessConfig.model_validate({"preset": "keras.mobilenet"})
    values = ImagePreprocessor(config, Spec("image", (1, 12, 10, 1)))(Image.fromarray(RGB))
    # ITU-R 601-2 luma, rounded to 8 bits
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(values[..., 0] * 127.5 + 127.5 - luma).max() <= 0.51


def test_a_gray_model_refuses_a_preset_for_three_channels() -> None:
    config = PreprocessConfig.model_validate({"preset": "torchvision"})
    with pytest.raises(DataError, match=r"preset has 3 values of mean for 1 channel"):
        ImagePreprocessor(config, Spec("image", (1, 12, 10, 1)))


def test_other_keys_override_a_preset() -> None:
    np.testing.assert_array_equal(fed("keras.mobilenet", mean=0, std=1), RGB.astype(np.float32))
    # Channels turned round take their mean with them.
    np.testing.assert_array_equal(fed("torchvision", color="bgr"), fed("torchvision")[..., ::-1])


def test_scale_mean_and_std_in_this_order() -> None:
    config = PreprocessConfig.model_validate(
        {"scale": 0.5, "mean": [1.0, 2.0, 3.0], "std": [2.0, 4.0, 8.0]}
    )
    values = ImagePreprocessor(config, SPEC)(Image.fromarray(RGB))
    for channel, (mean, std) in enumerate([(1, 2), (2, 4), (3, 8)]):
        expected = (RGB[..., channel].astype(float) * 0.5 - mean) / std
        np.testing.assert_allclose(values[..., channel], expected, rtol=1e-6)


def test_displayed_undoes_the_preset_and_not_what_overrides_it() -> None:
    for preset in PRESETS:
        config = PreprocessConfig.model_validate({"preset": preset})
        right = ImagePreprocessor(config, SPEC)
        np.testing.assert_array_equal(right.displayed(right(Image.fromarray(RGB))), RGB)
    broken = ImagePreprocessor(
        PreprocessConfig.model_validate({"preset": "keras.mobilenet", "mean": 0, "std": 1}), SPEC
    )
    assert broken.displayed(broken(Image.fromarray(RGB)))[RGB > 1].min() == 255
