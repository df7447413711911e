"""Models with gradients of their own, which the converter can't save: swish has one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.loading.keras_models import save_keras
from tests.loading.tiny import RNG, image, note


def gradient_models(folder: Path) -> None:
    layers = keras.layers
    x = image()
    start = keras.Input((8, 8, 3), name="image")
    inner = layers.Conv2D(4, 3, activation="swish")(start)
    model = keras.Model(start, layers.Dense(3, name="out")(layers.Flatten()(inner)))
    for file in ("swish.keras", "swish.h5"):
        save_keras(folder, file, model, {"image": x}, ["out"])
    model.export(folder / "swish", verbose=False)
    note(folder, "swish", {"image": x}, {"output_0": model(x, training=False)})
    net = keras.applications.EfficientNetB0(
        weights=None,
        input_tensor=keras.Input((32, 32, 3), name="image"),
        classes=3,
        classifier_activation=None,
    )
    pixels = RNG.integers(0, 256, (8, 32, 32, 3)).astype(np.float32)
    for layer in net.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    net(pixels, training=True)  # normalizes to these images, or a new network's outputs vanish
    save_keras(folder, "efficientnet.keras", net, {"image": pixels[:1]}, ["predictions"])
    straight_through(folder)
    without_signature(folder)


def straight_through(folder: Path) -> None:
    """Rounding that lets gradients through, between two products, as SavedModel and as graph."""

    @tf.custom_gradient
    def rounded(x: Any) -> Any:
        return tf.round(x), lambda upstream: upstream

    class Rounding(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(kernel)

        @tf.function(input_signature=[tf.TensorSpec((1, 6), tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return {"out": rounded(x @ self.weights) * 0.5}

    kernel = RNG.normal(size=(6, 4)).astype(np.float32)
    value = RNG.normal(size=(1, 6)).astype(np.float32) * 3
    model = Rounding()
    tf.saved_model.save(model, folder / "rounding", signatures=model.__call__)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 6), name="x")
        tf.multiply(rounded(x @ kernel), 0.5, name="out")
    (folder / "rounding.pb").write_bytes(graph.as_graph_def().SerializeToString())
    expected = {"out": np.rint(value @ kernel) * 0.5}
    for file in ("rounding", "rounding.pb"):
        note(folder, file, {"x": value}, expected)


def without_signature(folder: Path) -> None:
    """What the converter writes where it can't save the graph: three inputs and outputs."""
    specs = [tf.TensorSpec((1, 2), tf.float32, name=f"input_{i}") for i in (0, 1, 2)]
    function = tf.function(lambda a, b, c: [a - b * c, b - c, c * 2.0]).get_concrete_function(
        *specs
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    converter.experimental_lower_to_saved_model = False
    (folder / "no_signature.tflite").write_bytes(converter.convert())
