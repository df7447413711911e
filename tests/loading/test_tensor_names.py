"""`outputs` takes the tensor names that advice gives, and then ends with the tensors it meant."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from coral_action.config.paths import PathRules
from coral_action.edgetpu.placement import predict
from coral_action.errors import ModelError
from coral_action.loading import FloatModel, load_model
from coral_action.quantization import quantize_model
from tests.loading.fork_server import ForkServer
from tests.loading.outcomes import model_config
from tests.loading.test_cases import run


@pytest.fixture(autouse=True)
def quick(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)


def load(source: Path, target: Path, **config: object) -> FloatModel:
    return load_model(model_config(source, **config), PathRules(source.parent), target)


def advised(model: FloatModel, data: Path, target: Path) -> list[str]:
    """The outputs that the placement of the int8 model says to set."""
    config = model_config(model.path, calibration={"npy": str(data), "method": "min_max"})
    int8 = quantize_model(config, model, PathRules(data.parent), target)
    (advice,) = (f.advice for f in predict(int8.model).findings if f.id == "CQ108")
    found = re.fullmatch(r"cut the model before BATCH_MATMUL: set `outputs: \[(.*)\]`", advice)
    assert found
    return found[1].split(", ")


@pytest.mark.parametrize("source", ["attention", "attention.pb", "attention.keras"])
def test_advice_can_be_followed(zoo: Path, source: str, tmp_path: Path) -> None:
    data = zoo / "attention.npy"
    names = advised(load(zoo / source, tmp_path / "all.tflite"), data, tmp_path / "int8.tflite")
    cut = load(zoo / source, tmp_path / "cut.tflite", outputs=names)
    assert [spec.name for spec in cut.outputs] == names
    x = np.load(data)[:1]
    results = run(cut, {cut.inputs[0].name: x})
    # What goes into the first product: two of the three parts, the second one maybe transposed.
    q, k = x[..., :4] * 2, x[..., 4:8] * 2
    first, second = (results[name] for name in names)
    np.testing.assert_allclose(first, q, rtol=1e-6)
    np.testing.assert_allclose(second if second.shape == k.shape else second.mT, k, rtol=1e-6)


def test_a_tflite_takes_the_names_of_its_int8_model(zoo: Path, tmp_path: Path) -> None:
    model = load(zoo / "attention", tmp_path / "all.tflite")
    names = advised(model, zoo / "attention.npy", tmp_path / "int8.tflite")
    cut = load(model.path, tmp_path / "cut.tflite", outputs=names[:1])
    x = np.load(zoo / "attention.npy")[1:2]
    (result,) = run(cut, {cut.inputs[0].name: x}).values()
    np.testing.assert_allclose(result, x[..., :4] * 2, rtol=1e-6)


def test_names_of_nothing_are_refused_as_ever(zoo: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the model has no node named a;b") as caught:
        load(zoo / "attention", tmp_path / "cut.tflite", outputs=["a;b"])
    assert "PartitionedCall/split" in caught.value.hint


def test_a_wrong_name_is_the_trouble_and_not_what_it_would_have_cut(
    zoo: Path, tmp_path: Path
) -> None:
    constants = {"keep_prob": 1.0, "is_training": False}
    with pytest.raises(ModelError, match=r"the model has no node named score$"):
        load(zoo / "frozen.pb", tmp_path / "cut.tflite", outputs=["score"], constants=constants)
