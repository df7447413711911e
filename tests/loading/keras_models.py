"""Tiny Keras models of both generations, some of them with code in them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import tensorflow as tf
import tf_keras

from tests.loading.tiny import RNG, cnn, image, note


def save_keras(
    folder: Path, file: str, model: Any, inputs: dict[str, Any], names: list[str]
) -> None:
    """Save a Keras model and what it answers to `inputs`."""
    model.save(str(folder / file))
    given = list(inputs.values())
    results = tf.nest.flatten(model(given[0] if len(given) == 1 else given, training=False))
    note(folder, file, inputs, dict(zip(names, results, strict=True)))


def keras_files(folder: Path) -> None:
    x = image()
    model = cnn()
    save_keras(folder, "functional.keras", model, {"image": x}, ["probabilities"])
    save_keras(folder, "functional.h5", model, {"image": x}, ["probabilities"])
    model.save_weights(folder / "only.weights.h5")
    inner = keras.Model(model.inputs, model.get_layer("pool").output)(x, training=False)
    note(folder, "functional.keras@pool", {"image": x}, {"pool": inner})
    relu = keras.Model(model.inputs, model.get_layer("relu").output)(x, training=False)
    note(
        folder,
        "functional.keras@relu",
        {"relu": relu},
        {"probabilities": model(x, training=False)},
    )
    save_keras(folder, "open_size.keras", cnn(size=None), {"image": x}, ["probabilities"])
    layers = keras.layers
    start = keras.Input((4,), name="x")
    keras.Model(start, layers.Dense(2, name="größe")(start)).save(folder / "umlaut.keras")
    model = keras.Sequential(
        [keras.Input((6,), name="features"), layers.Dense(5, "relu"), layers.Dense(2, name="out")]
    )
    features = RNG.normal(size=(1, 6)).astype(np.float32)
    save_keras(folder, "sequential.keras", model, {"features": features}, ["out"])

    first, second = keras.Input((8, 8, 3), name="left"), keras.Input((4,), name="right")
    joined = layers.Concatenate()([layers.Flatten()(layers.Conv2D(2, 3)(first)), second])
    ends = [layers.Dense(2, name="classes")(joined), layers.Dense(4, name="boxes")(joined)]
    save_keras(
        folder,
        "multi.keras",
        keras.Model([first, second], ends),
        {"left": x, "right": RNG.normal(size=(1, 4)).astype(np.float32)},
        ["classes", "boxes"],
    )
    words = keras.Input((5,), dtype="int32", name="words")
    embedded = layers.Flatten()(layers.Embedding(11, 4)(words))
    save_keras(
        folder,
        "int32.keras",
        keras.Model(words, layers.Dense(2, name="out")(embedded)),
        {"words": RNG.integers(0, 11, (1, 5), dtype=np.int32)},
        ["out"],
    )
    pixels = keras.Input((8, 8, 3), dtype="uint8", name="pixels")
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    save_keras(
        folder,
        "uint8.keras",
        keras.Model(pixels, layers.Conv2D(2, 3, name="out")(scaled)),
        {"pixels": RNG.integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)},
        ["out"],
    )
    for rank in range(1, 6):
        shape = (4, 3, 2, 3)[: rank - 1]
        start = keras.Input(shape, name="x")
        end = layers.Rescaling(2.0, offset=1.0)(start)
        if rank > 1:
            end = layers.Dense(2)(end)
        end = layers.ReLU(name="out")(end)
        value = RNG.normal(size=(1, *shape)).astype(np.float32)
        save_keras(folder, f"rank{rank}.keras", keras.Model(start, end), {"x": value}, ["out"])


def recurrent_files(folder: Path) -> None:
    layers = keras.layers

    def save(file: str, steps: int | None, *stack: Any) -> None:
        x = start = keras.Input((steps, 4), name="steps")
        for layer in stack:
            x = layer(x)
        model = keras.Model(start, layers.Dense(2, name="out")(x))
        value = RNG.normal(size=(1, steps or 7, 4)).astype(np.float32)
        save_keras(folder, file, model, {"steps": value}, ["out"])

    save("lstm.keras", 6, layers.LSTM(3))
    save("gru_stack.keras", 6, layers.GRU(3, return_sequences=True), layers.GRU(2))
    save("bidirectional.keras", 5, layers.Bidirectional(layers.LSTM(3)))
    save("lstm_open.keras", None, layers.LSTM(3))
    save("lstm_long.keras", 129, layers.LSTM(3))
    model = tf_keras.Sequential(
        [
            tf_keras.layers.LSTM(3, input_shape=(6, 4), name="lstm"),
            tf_keras.layers.Dense(2, name="out"),
        ]
    )
    value = RNG.normal(size=(1, 6, 4)).astype(np.float32)
    save_keras(folder, "lstm_legacy.h5", model, {"lstm_input": value}, ["out"])


def legacy_files(folder: Path) -> None:
    """Keras 2; its DepthwiseConv2D carries `groups`, which Keras 3 does not know."""
    model = cnn(tf_keras)
    x = image()
    save_keras(folder, "legacy.h5", model, {"image": x}, ["probabilities"])
    model.save(str(folder / "legacy.keras"))
    note(folder, "legacy.keras", {"image": x}, {"probabilities": model(x, training=False)})
    start = tf_keras.Input((4,), name="x")
    end = tf_keras.layers.Dense(2, name="out")(tf.nn.relu(tf.math.square(start) - 1.0))
    value = RNG.normal(size=(1, 4)).astype(np.float32)
    save_keras(folder, "op_layers.h5", tf_keras.Model(start, end), {"x": value}, ["out"])


class Own(keras.layers.Layer):
    """A layer of the model's maker."""

    def call(self, x: Any) -> Any:
        return x * 2


def files_with_code(folder: Path) -> None:
    """Lambda layers that would leave a file behind if they ran; the file's name is in `MARK`."""
    mark = str(folder / "code-was-run")

    def lambda_model(library: Any) -> Any:
        x = start = library.Input((4,), name="x")
        code = f"lambda x: (open({mark!r}, 'a').close(), x * 2)[1]"
        x = library.layers.Lambda(eval(code), output_shape=(4,), name="own")(x)
        return library.Model(start, library.layers.Dense(2, name="out")(x))

    value = RNG.normal(size=(1, 4)).astype(np.float32)
    for file, library in (
        ("lambda.keras", keras),
        ("lambda.h5", keras),
        ("lambda_legacy.h5", tf_keras),
    ):
        save_keras(folder, file, lambda_model(library), {"x": value}, ["out"])
    start = keras.Input((4,), name="x")
    keras.Model(start, keras.layers.Dense(2)(Own(name="own")(start))).save(folder / "own.keras")
    # A configuration that calls into another module, as in published attacks on Keras files.
    with zipfile.ZipFile(folder / "functional.keras") as source:
        parts = {name: source.read(name) for name in source.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] = {
        "class_name": "system",
        "config": {"name": "harmless", "command": f"touch {mark}"},
        "module": "os",
        "registered_name": None,
    }
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(folder / "attack.keras", "w") as target:
        for name, content in parts.items():
            target.writestr(name, content)
    # A TFOpLambda layer that writes a file while the model is built.
    (folder / "op_attack.h5").write_bytes((folder / "op_layers.h5").read_bytes())
    with h5py.File(folder / "op_attack.h5", "r+") as file:
        text = file.attrs["model_config"].replace("math.square", "io.write_file")
        file.attrs["model_config"] = text
    Path(mark).unlink(missing_ok=True)  # Keras runs a Lambda once while the model is built
