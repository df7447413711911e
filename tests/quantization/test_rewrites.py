"""Each rewrite: the same numbers in float, readable by compiler 16, and int8 works."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

import numpy as np
import pytest
from zoo_support import Quantize, Zoo, quantized, zoo  # noqa: F401 - fixtures too

from coral_action.inference import Runner
from coral_action.quantization.rewrites import rewrite
from coral_action.quantization.rewrites.gelu import MAX_ERROR
from coral_action.tflite import read_model

EXACT = {
    "transpose_relu": ["TRANSPOSE_CONV", "RELU"],
    "hard_swish": ["ADD", "MUL", "MUL"],
    "nearest_twice": ["RESIZE_NEAREST_NEIGHBOR"],
    "bilinear_half": ["AVERAGE_POOL_2D"],
    "bilinear_pixel": ["RESIZE_BILINEAR"],
    "square_neg": ["CONV_2D", "MUL", "MUL"],
    "pool_relu": ["CONV_2D", "PAD", "MAX_POOL_2D"],
    "pool_signed": ["CONV_2D", "MAX_POOL_2D", "MAX_POOL_2D"],
    "pool_odd": ["CONV_2D", "MAX_POOL_2D"],
    "unread_split": ["CONV_2D", "SLICE", "SLICE", "RELU", "SUB"],
    "unread_split_v": ["CONV_2D", "SLICE", "SLICE", "RELU", "SUB"],
    "unread_unpack": ["CONV_2D", "STRIDED_SLICE", "STRIDED_SLICE", "RELU", "SUB"],
    "unpack_last": [*["STRIDED_SLICE"] * 4, "MUL", "ADD", "SUB"],
}


def outputs(content: bytes, zoo: Zoo, name: str) -> np.ndarray:
    """Float outputs by litert's own kernels."""
    model = read_model(content)
    runner = Runner(content, model.input_names(), model.output_names(), kernels="builtin")
    return np.stack([runner.run(s.inputs)["output_0"] for s in zoo.samples(name, 20)])


@pytest.mark.parametrize("name", EXACT)
def test_rewrite_is_exact(zoo: Zoo, name: str) -> None:
    before = zoo.content(name)
    rewritten = rewrite(before)
    assert rewritten.changes
    assert [op.name for op in read_model(rewritten.content).operators] == EXACT[name]
    expected = outputs(before, zoo, name)
    # A few units in the last place, where a product is taken in another order.
    np.testing.assert_allclose(
        outputs(rewritten.content, zoo, name), expected, rtol=1e-6, atol=1e-6
    )


def test_gelu_is_within_its_bound(zoo: Zoo) -> None:
    rewritten = rewrite(zoo.content("gelu"))
    assert "GELU" not in [op.name for op in read_model(rewritten.content).operators]
    error = np.abs(
        outputs(rewritten.content, zoo, "gelu") - outputs(zoo.content("gelu"), zoo, "gelu")
    )
    assert 0.015 < error.max() <= MAX_ERROR


def test_gelu_bound_holds_everywhere() -> None:
    from math import erf, sqrt

    x = np.linspace(-10, 10, 20001)
    gelu = x * np.array([(1 + erf(v / sqrt(2))) / 2 for v in x])
    assert np.abs(x / (1 + np.exp(-1.702 * x)) - gelu).max() <= MAX_ERROR


@pytest.mark.parametrize("name", [*EXACT, "gelu"])
def test_rewritten_model_quantizes_with_readable_versions(quantized: Quantize, name: str) -> None:
    result = quantized(name, calibration={"method": "min_max"})
    assert result.rewrites
    versions = {op.name: op.version for op in result.model.operators}
    # What compiler 16 (TensorFlow Lite 2.5) reads.
    limits = {"TRANSPOSE_CONV": 3, "RESIZE_NEAREST_NEIGHBOR": 4, "RESIZE_BILINEAR": 4, "RELU": 3}
    assert all(version <= limits.get(kind, version) for kind, version in versions.items())
    assert not {"GELU", "HARD_SWISH", "SQUARE", "NEG"} & set(versions)


@pytest.mark.parametrize("name", ["nearest_half", "bilinear_twice"])
def test_resize_without_an_equal_is_left_and_said(quantized: Quantize, zoo: Zoo, name: str) -> None:
    assert rewrite(zoo.content(name)).content == zoo.content(name)
    result = quantized(name, calibration={"method": "min_max"})
    assert [finding.id for finding in result.findings] == ["CQ220"]


def test_nothing_to_rewrite_gives_the_same_bytes(zoo: Zoo) -> None:
    assert rewrite(zoo.content("chain")).content == zoo.content("chain")


def test_rewrites_can_be_switched_off(quantized: Quantize) -> None:
    result = quantized(
        "hard_swish", calibration={"method": "min_max"}, quantization={"rewrites": False}
    )
    assert [op.name for op in result.model.operators] == ["HARD_SWISH"]
