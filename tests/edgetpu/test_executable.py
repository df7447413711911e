"""Compiled files: every one in the corpus is read; damaged ones end in one clean error."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from coral_action.edgetpu.executable import EDGE_TPU_OPERATOR, read_compiled, same_program
from coral_action.errors import ModelError
from coral_action.tflite import read_model, unpack


@pytest.fixture(scope="module")
def compiled(corpus: Path) -> Path:
    return corpus / "corpus" / "compiled"


def test_every_compiled_file_is_read(compiled: Path) -> None:
    files = sorted(compiled.glob("*_edgetpu.tflite"))
    assert len(files) >= 19
    for path in files:
        model = read_compiled(path)
        assert len(model.subgraphs) == 1, path.name
        assert model.size_bytes == path.stat().st_size
        assert 10 <= model.min_runtime_version <= 14
        # Everything the package counts must fit into the file.
        assert 0 < model.cached_bytes + model.streamed_bytes < model.size_bytes
        assert len(model.caching_tokens) == 1
        assert {e.chip for e in model.subgraphs[0].executables} == {"beagle"}


def test_what_is_left_on_the_cpu_is_as_in_the_index(compiled: Path) -> None:
    index = json.loads((compiled / "index.json").read_text(encoding="utf-8"))
    for entry in index:
        left = [name for name in entry["left_in_compiled"] if name != EDGE_TPU_OPERATOR]
        assert list(read_compiled(compiled / entry["compiled"]).cpu_operators) == left


def test_the_interface_agrees_with_the_tensors_around_it(compiled: Path) -> None:
    """The package's layers and the file's tensors are stored apart: each checks the other."""
    compared = 0
    for path in sorted(compiled.glob("*_edgetpu.tflite")):
        model = read_model(path)
        tensors = {tensor.name: tensor for tensor in model.tensors}
        subgraph = read_compiled(model).subgraphs[0]
        for layer in (*subgraph.inputs, *subgraph.outputs):
            tensor = tensors.get(layer.name)
            if tensor is None or not tensor.scales or tensor.type != layer.type:
                continue
            compared += 1
            assert layer.scale == pytest.approx(tensor.scales[0], rel=1e-6), layer.name
            assert layer.zero_point == tensor.zero_points[0], layer.name
            assert int(np.prod(layer.shape)) == int(np.prod(tensor.shape)), layer.name
    assert compared > 30


def test_models_compiled_together_share_one_caching_token(compiled: Path) -> None:
    together = [read_compiled(path).caching_tokens for path in compiled.glob("*cocompiled*")]
    assert len(together) == 2
    assert together[0] == together[1]
    alone = {
        read_compiled(compiled / f"mobilenet_v1_{size}_quant_edgetpu.tflite").caching_tokens
        for size in ("0.25_128", "0.5_160")
    }
    assert len(alone | set(together)) == 3


def test_parameters_add_up(compiled: Path) -> None:
    """All weights are on the chip or streamed: together about those of the int8 file."""
    model = read_compiled(compiled / "mobilenet_v1_0.5_160_quant_edgetpu.tflite")
    original = read_model(compiled / "mobilenet_v1_0.5_160_quant.tflite")
    weights = sum(len(t.data) for t in original.tensors if t.data is not None)
    assert weights < model.cached_bytes + model.streamed_bytes < 1.2 * weights
    assert model.streamed_bytes == 0


def test_equality_ignores_the_random_token(compiled: Path) -> None:
    content = (compiled / "dense_256_edgetpu.tflite").read_bytes()
    token = read_compiled(content).caching_tokens[0].to_bytes(8, "little")
    assert content.count(token) == 2
    again = content.replace(token, bytes(range(8)))
    assert content != again
    assert same_program(content, again)
    other = (compiled / "gabor_64x64_p4_edgetpu.tflite").read_bytes()
    assert not same_program(content, other)


def test_a_damaged_package_is_one_clean_error_or_still_readable(compiled: Path) -> None:
    """Bytes changed inside the package: never another exception, a hang or a huge allocation."""
    model = read_model(compiled / "split_concat_edgetpu.tflite")
    operator = next(o for o in model.operators if o.name == EDGE_TPU_OPERATOR)
    randomness = random.Random(7)
    errors = 0
    for _ in range(400):
        damaged = bytearray(operator.custom_options)
        for _ in range(randomness.randint(1, 6)):
            damaged[-randomness.randint(1, 600)] = randomness.randrange(256)
            damaged[randomness.randrange(len(damaged))] = randomness.randrange(256)
        changed = model.__class__(
            **{
                **vars(model),
                "operators": (
                    operator.__class__(**{**vars(operator), "custom_options": bytes(damaged)}),
                ),
            }
        )
        try:
            read_compiled(changed)
        except ModelError as error:
            errors += 1
            assert "\n" not in error.message
    assert errors > 0


def test_a_file_without_an_edge_tpu_part_has_no_subgraph(compiled: Path) -> None:
    model = read_compiled(compiled / "dense_256.tflite")
    assert model.subgraphs == ()
    assert model.caching_tokens == ()
    assert len(model.cpu_operators) == 3


def test_the_size_of_the_custom_options_is_what_the_file_holds(compiled: Path) -> None:
    path = compiled / "dense_256_edgetpu.tflite"
    raw = unpack(path.read_bytes()).subgraphs[0].operators
    read = read_model(path).operators
    assert [0 if o.customOptions is None else len(o.customOptions) for o in raw] == [
        len(o.custom_options) for o in read
    ]
