"""Observed ranges against those of a model whose every tensor is an output."""

# ruff: noqa: F811 - fixtures are imported by name

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zoo_support import Zoo, every_tensor, zoo  # noqa: F401 - fixtures too

from coral_action.errors import DataError
from coral_action.quantization.observation import Histograms, merge, observe
from coral_action.tflite import read_model


@pytest.mark.parametrize("bins", [None, 1024])
@pytest.mark.parametrize("name", ["chain", "residual", "uneven", "with_padding"])
def test_ranges_are_those_of_every_tensor_as_output(zoo: Zoo, name: str, bins: int | None) -> None:
    samples = zoo.samples(name, 20)
    seen = observe(zoo.content(name), samples, total=20, bins=bins)
    expected = every_tensor(zoo.content(name), samples)
    assert set(seen.tensors) == set(expected)
    for column, tensor in enumerate(seen.tensors):
        flat = expected[tensor].reshape(20, -1)
        # XNNPACK and litert's own kernels add up in another order; a wrong tensor is 10 % off.
        tolerance = 1e-5 * np.abs(flat).max()
        np.testing.assert_allclose(seen.high[:, column], flat.max(axis=1), atol=tolerance)
        low = flat.min(axis=1)
        # A minimum at or above 0 need not be looked for: every range includes 0.
        skipped = (seen.low[:, column] == 0) & (low >= 0)
        np.testing.assert_allclose(seen.low[~skipped, column], low[~skipped], atol=tolerance)


def test_inputs_of_the_residual_add_are_not_too_wide(zoo: Zoo) -> None:
    """TensorFlow's calibrator logs the ADD's inputs after it has overwritten one of them."""
    samples = zoo.samples("residual")
    model = read_model(zoo.content("residual"))
    seen = observe(zoo.content("residual"), samples, total=100)
    expected = every_tensor(zoo.content("residual"), samples)
    adds = [op for op in model.operators if op.name == "ADD"]
    assert len(adds) == 2
    for tensor in {i for op in adds for i in op.inputs}:
        column = seen.tensors.index(tensor)
        assert seen.high[:, column].max() == pytest.approx(expected[tensor].max(), rel=1e-5)
        assert seen.low[:, column].min() == pytest.approx(expected[tensor].min(), rel=1e-5)


def test_float_outputs_are_kept_by_sample(zoo: Zoo) -> None:
    samples = zoo.samples("chain", 10)
    seen = observe(zoo.content("chain"), samples, total=10)
    expected = every_tensor(zoo.content("chain"), samples)
    (output,) = read_model(zoo.content("chain")).outputs
    assert seen.names == tuple(sample.name for sample in samples)
    np.testing.assert_allclose(seen.outputs["output_0"], expected[output], atol=1e-6)


def test_nan_inside_the_model_names_sample_and_tensor(zoo: Zoo) -> None:
    with pytest.raises(DataError, match=r"log\.npy\[0\] makes the float model's tensor .* NaN"):
        observe(zoo.content("log"), zoo.samples("log", 3), total=3)


def test_shards_merge_to_the_whole(zoo: Zoo) -> None:
    content, samples = zoo.content("chain"), zoo.samples("chain", 50)
    whole = observe(content, samples, total=50, bins=512)
    for count in (2, 3):
        parts = [observe(content, samples[i::count], total=0, bins=512) for i in range(count)]
        merged = merge(parts)
        assert merged.names == whole.names
        assert (merged.low == whole.low).all()
        assert (merged.high == whole.high).all()
        assert (merged.histograms.counts == whole.histograms.counts).all()
        assert (merged.histograms.exponents == whole.histograms.exponents).all()
        assert (merged.outputs["output_0"] == whole.outputs["output_0"]).all()


values = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40)


@given(values, st.integers(1, 5))
def test_histogram_counts_do_not_depend_on_who_counts(numbers: list[float], workers: int) -> None:
    array = np.array([numbers], dtype=np.float32)
    whole = Histograms.empty(1, 256)
    whole.add(array)
    merged = Histograms.empty(1, 256)
    for worker in range(workers):
        part = Histograms.empty(1, 256)
        for value in array[0, worker::workers]:
            part.add(np.array([[value]]))
        merged.merge(part)
    assert (merged.counts == whole.counts).all()
    assert (merged.exponents == whole.exponents).all()


@given(values)
def test_histogram_agrees_with_numpy(numbers: list[float]) -> None:
    array = np.array([numbers], dtype=np.float32)
    histograms = Histograms.empty(1, 256)
    histograms.add(array)
    edges, counts = histograms.of(0)
    expected = np.searchsorted(edges, array[0].astype(np.float64), side="right") - 1
    assert (counts == np.bincount(expected, minlength=512)).all()
