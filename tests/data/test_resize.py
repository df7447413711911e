"""Each resize mode and filter against an independent computation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from data_specs import Spec
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from coral_action.config.data_schema import PreprocessConfig, ResizeConfig
from coral_action.data.geometry import place, plan
from coral_action.data.preprocess import ImagePreprocessor
from coral_action.errors import DataError

RNG = np.random.default_rng(11)
FILTERS = ("nearest", "bilinear", "bicubic", "area")


def image(height: int, width: int) -> np.ndarray:
    """Not noise and not flat: waves with some texture."""
    y, x = np.mgrid[:height, :width]
    waves = 127 + 90 * np.sin(x / 5 + y / 9)[..., None] * np.cos([0.0, 0.7, 1.9] + y[..., None] / 7)
    return np.clip(waves + RNG.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


def fed(pixels: np.ndarray, to: tuple[int, int], **resize: Any) -> np.ndarray:
    config = PreprocessConfig.model_validate({"resize": resize} if resize else {})
    return ImagePreprocessor(config, Spec("image", (1, *to, 3)))(Image.fromarray(pixels))


def weights(inputs: int, outputs: int, kernel: str) -> np.ndarray:
    """Rows of weights of an antialiased resampling filter, from its textbook definition."""
    scale = inputs / outputs
    stretch = max(scale, 1.0)

    def of(x: float) -> float:
        if kernel == "area":
            return 1.0 if -0.5 < x <= 0.5 else 0.0
        x = abs(x)
        if kernel == "bilinear":
            return max(0.0, 1 - x)
        a = -0.5
        if x < 1:
            return (a + 2) * x**3 - (a + 3) * x**2 + 1
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a if x < 2 else 0.0

    table = np.array(
        [
            [of((j + 0.5 - (i + 0.5) * scale) / stretch) for j in range(inputs)]
            for i in range(outputs)
        ]
    )
    return table / table.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kernel", ["bilinear", "bicubic", "area"])
@pytest.mark.parametrize(("source", "target"), [((60, 90), (24, 32)), ((9, 7), (31, 20))])
def test_pillow_filters(kernel: str, source: tuple[int, int], target: tuple[int, int]) -> None:
    pixels = image(*source)
    across = np.einsum("wc,rcd->rwd", weights(source[1], target[1], kernel), pixels)
    expected = np.einsum("hr,rwd->hwd", weights(source[0], target[0], kernel), across)
    got = fed(pixels, target, filter=kernel)
    # Pillow rounds to 8 bits after each of its two passes; bicubic weights add up to 1.25 in sign.
    tolerance = 1.01 if kernel != "bicubic" else 1.3
    assert np.abs(got - np.clip(expected, 0, 255)).max() <= tolerance


@pytest.mark.parametrize("engine", ["pillow", "tensorflow"])
def test_nearest_takes_the_pixel_below_the_centre(engine: str) -> None:
    pixels = image(21, 50)
    got = fed(pixels, (8, 30), filter="nearest", engine=engine)
    for row in range(8):
        for column in range(30):
            expected = pixels[
                math.floor((row + 0.5) * 21 / 8), math.floor((column + 0.5) * 50 / 30)
            ]
            np.testing.assert_array_equal(got[row, column], expected)


@pytest.mark.parametrize("method", FILTERS)
@pytest.mark.parametrize(
    ("source", "target"),
    [((48, 64), (22, 22)), ((8, 8), (28, 28)), ((37, 53), (96, 17)), ((5, 7), (5, 9)),
     ((3, 3), (1, 1)), ((1, 1), (4, 4)), ((30, 20), (30, 20)), ((480, 640), (224, 224))],
)  # fmt: skip
def test_tensorflow_engine_is_tf_image_resize(
    method: str, source: tuple[int, int], target: tuple[int, int], tensorflow: Any
) -> None:
    pixels = image(*source)
    expected = tensorflow.image.resize(pixels, target, method).numpy()
    got = fed(pixels, target, filter=method, engine="tensorflow")
    # nearest and bilinear agree to the bit; the others add up in another order
    tolerance = 0 if method in ("nearest", "bilinear") else 2e-4
    assert np.abs(got - expected.astype(np.float32)).max() <= tolerance


def test_bilinear_filters_of_the_two_engines_differ_when_an_image_shrinks() -> None:
    """Documented in docs/data.md: TensorFlow looks at 2 x 2 pixels, Pillow at all of them."""
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::4] = 255
    assert np.ptp(fed(stripes, (10, 10))[2:-2, 2:-2]) == 0
    # At column i the sample lies between pixels 4i + 1 and 4i + 2, which are both black.
    assert fed(stripes, (10, 10), engine="tensorflow").max() == 0
    assert fed(stripes, (10, 10))[5, 5, 0] == pytest.approx(255 / 4, abs=1)


@pytest.mark.parametrize("fraction", [0.875, 0.5, 0.33, 1.0])
def test_crop_is_central_crop_and_resize(fraction: float, tensorflow: Any) -> None:
    pixels = image(61, 90)
    cut = tensorflow.image.central_crop(pixels, fraction)
    expected = tensorflow.image.resize(cut, (20, 20)).numpy()
    got = fed(pixels, (20, 20), mode="crop", fraction=fraction, engine="tensorflow")
    np.testing.assert_array_equal(got, expected)


def test_crop_keeps_seven_eighths_without_a_fraction() -> None:
    pixels = image(80, 160)
    np.testing.assert_array_equal(
        fed(pixels, (70, 140), mode="crop"), pixels[5:75, 10:150].astype(np.float32)
    )


@pytest.mark.parametrize(
    ("source", "inner", "cut"),
    [  # by hand from torchvision: Resize(256) truncates, CenterCrop(224) rounds half to even
        ((480, 640), (256, 341), (16, 58)),
        ((640, 480), (341, 256), (58, 16)),
        ((300, 300), (256, 256), (16, 16)),
        ((100, 257), (256, 657), (16, 216)),
    ],
)
def test_short_side_is_torchvision_resize_and_center_crop(
    source: tuple[int, int], inner: tuple[int, int], cut: tuple[int, int], tensorflow: Any
) -> None:
    pixels = image(*source)
    whole = tensorflow.image.resize(pixels, inner).numpy()
    expected = whole[cut[0] : cut[0] + 224, cut[1] : cut[1] + 224]
    got = fed(pixels, (224, 224), mode="short_side", short_side=256, engine="tensorflow")
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("engine", ["pillow", "tensorflow"])
def test_letterbox_by_hand(engine: str, tensorflow: Any) -> None:
    pixels = image(30, 60)
    # 60 -> 20 columns and 30 -> 10 rows; 11 rows are free: 5 above, 6 below
    got = fed(pixels, (21, 20), mode="letterbox", fill=[10.0, 20.0, 30.0], engine=engine)
    np.testing.assert_array_equal(got[:5], np.broadcast_to([10, 20, 30], (5, 20, 3)))
    np.testing.assert_array_equal(got[15:], np.broadcast_to([10, 20, 30], (6, 20, 3)))
    if engine == "tensorflow":
        inner = tensorflow.image.resize(pixels, (10, 20)).numpy()
    else:
        inner = np.asarray(Image.fromarray(pixels).resize((20, 10), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(got[5:15], inner)


def test_an_integer_input_takes_rounded_pixels() -> None:
    pixels = image(31, 50) // 128 * 255
    options = {"resize": {"filter": "bicubic", "engine": "tensorflow"}}
    config = PreprocessConfig.model_validate(options)
    exact, whole = (
        ImagePreprocessor(config, Spec("image", (1, 90, 90, 3), dtype))(Image.fromarray(pixels))
        for dtype in ("float32", "uint8")
    )
    assert exact.max() > 255  # bicubic overshoots
    np.testing.assert_array_equal(whole, np.clip(np.rint(exact), 0, 255))


def test_letterbox_is_filled_before_scaling() -> None:
    config = PreprocessConfig.model_validate(
        {"resize": {"mode": "letterbox", "fill": 127.5, "engine": "tensorflow"},
         "preset": "keras.mobilenet"}
    )  # fmt: skip
    preprocess = ImagePreprocessor(config, Spec("image", (1, 8, 4, 3)))
    values = preprocess(Image.new("RGB", (4, 4), "white"))
    assert values[0].max() == 0
    assert values[4].min() == 1


sides = st.integers(1, 400)


@given(st.tuples(sides, sides), st.tuples(sides, sides))
def test_letterbox_fits_and_touches_two_sides(
    source: tuple[int, int], target: tuple[int, int]
) -> None:
    steps = plan(ResizeConfig(mode="letterbox"), source, target)
    assert all(0 < inner <= whole for inner, whole in zip(steps.inner, target, strict=True))
    assert steps.inner[0] == target[0] or steps.inner[1] == target[1]
    placed = place(np.ones((*steps.inner, 1), np.uint8), steps.offset, target, 9)
    assert placed.shape == (*target, 1)
    assert (placed == 1).sum() == math.prod(steps.inner)  # all of the image is there


@pytest.mark.parametrize(("height", "width"), [(224, 223), (223, 224)])
def test_letterbox_with_one_odd_row_or_column(height: int, width: int) -> None:
    pixels = image(height, width)
    got = fed(pixels, (224, 224), mode="letterbox", fill=7)
    np.testing.assert_array_equal(got[:height, :width], pixels)
    assert (got[height:] == 7).all()
    assert (got[:, width:] == 7).all()


@given(st.tuples(sides, sides), st.tuples(sides, sides), st.sampled_from(["short_side", "crop"]))
def test_cuts_stay_inside(source: tuple[int, int], target: tuple[int, int], mode: Any) -> None:
    steps = plan(ResizeConfig(mode=mode), source, target)
    if steps.box is not None:
        left, top, right, bottom = steps.box
        assert 0 <= left < right <= source[1]
        assert 0 <= top < bottom <= source[0]
    placed = place(np.zeros((*steps.inner, 1), np.uint8), steps.offset, target, 9)
    assert placed.shape == (*target, 1)
    assert not placed.any()  # nothing is filled


def test_a_size_that_is_not_the_models_is_refused() -> None:
    with pytest.raises(DataError, match=r"resize is \[30, 30\], but input image takes 28 x 28"):
        fed(image(9, 9), (28, 28), size=[30, 30])
    with pytest.raises(DataError, match="short_side is 20"):
        fed(image(9, 9), (28, 28), mode="short_side", short_side=20)
