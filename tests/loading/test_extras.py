"""Optional packages that are missing are named; files that lack nothing don't need them."""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from coral_action.errors import ModelError
from coral_action.loading import keras_model, onnx_model
from coral_action.loading.interface import LoadRequest


def test_onnx_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnx2tf" else find(name)
    )
    with pytest.raises(ModelError, match="reading it needs onnx2tf") as caught:
        onnx_model.load(LoadRequest("model.onnx", "onnx"))
    assert "coral-quantize[onnx]" in caught.value.hint


def test_keras_2_without_tf_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tf_keras", None)  # its import fails
    request: Any = LoadRequest("model.h5", "keras_h5")
    with pytest.raises(ModelError, match="tf-keras, which reads those of Keras 2, is missing"):
        keras_model._read_legacy(request)


def test_signature_of_a_format_that_has_none(tmp_path: Path) -> None:
    from coral_action.loading.child import load

    with pytest.raises(ModelError, match="a keras file has no signatures"):
        load(LoadRequest("model.keras", "keras", signature="serving_default"))


def test_onnx2tf_fetches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch() -> Any:
        raise ConnectionError("no network")

    # It takes the first `batch` images, and resizes them to each input.
    converter = types.SimpleNamespace(download_test_image_data=fetch)
    monkeypatch.setitem(sys.modules, "onnx2tf", types.ModuleType("onnx2tf"))
    monkeypatch.setitem(sys.modules, "onnx2tf.onnx2tf", converter)
    with onnx_model._made_images():
        images = converter.download_test_image_data()
    assert images.shape == (20, 128, 128, 3)
    assert images.dtype == "float32"
    assert 0 <= images.min() < 0.01
    assert 0.99 < images.max() < 1
    assert converter.download_test_image_data is fetch
