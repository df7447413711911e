# ruff: noqa: F811 - fixtures are imported by name
from __future__ import annotations

import numpy as np
from zoo_support import Quantize, Zoo, quantized, zoo  # noqa: F401 - fixtures too

from coral_action.inference import Runner
from coral_action.quantization.equalization import equalize
from coral_action.quantization.graph import Graph
from coral_action.tflite import read_model


def run(content: bytes, zoo: Zoo, name: str, kernels: str) -> np.ndarray:
    model = read_model(content)
    runner = Runner(content, model.input_names(), model.output_names(), kernels=kernels)
    return np.stack([runner.run(s.inputs)["output_0"] for s in zoo.samples(name)])


def first_weights(content: bytes) -> np.ndarray:
    graph = Graph(content)
    weights = graph.constant(int(graph.operators[0].inputs[1]))
    return np.abs(weights).max(axis=(1, 2, 3))


def test_equalized_model_is_the_same_to_the_bit(zoo: Zoo) -> None:
    before = zoo.content("uneven")
    after, pairs = equalize(before)
    assert pairs == 2
    for kernels in ("xnnpack", "builtin"):
        expected = run(before, zoo, "uneven", kernels)
        assert (run(after, zoo, "uneven", kernels) == expected).all()


def test_channels_are_evened_out(zoo: Zoo) -> None:
    after, _ = equalize(zoo.content("uneven"))
    before_spread = np.ptp(np.log2(first_weights(zoo.content("uneven"))))
    assert np.ptp(np.log2(first_weights(after))) < before_spread / 2


def test_relu6_is_left_alone(zoo: Zoo) -> None:
    """relu6(s x) is not s relu6(x)."""
    assert equalize(zoo.content("chain")) == (zoo.content("chain"), 0)


def test_auto_keeps_it_where_it_helps_and_says_what_it_gained(quantized: Quantize) -> None:
    result = quantized("uneven")
    assert result.equalization
    assert result.equalization_gain is not None
    assert result.equalization_gain > 3


def test_auto_leaves_it_where_there_is_nothing_to_even_out(quantized: Quantize) -> None:
    result = quantized("chain")
    assert not result.equalization


def test_it_can_be_forced_with_any_method(quantized: Quantize) -> None:
    forced = quantized(
        "uneven",
        calibration={"method": "min_max"},
        quantization={"cross_layer_equalization": True},
    )
    content = forced.path.read_bytes()
    plain = quantized("uneven", calibration={"method": "min_max"})
    assert forced.equalization
    assert not plain.equalization
    assert content != plain.path.read_bytes()
