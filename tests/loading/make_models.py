"""Tiny models of every kind, each with an input and the output that its own framework computes.

    python -m tests.loading.make_models FOLDER DIGITS

Run in a process of its own, for the test process is to stay free of TensorFlow. Beside a model NAME
there is NAME.npz: inputs as `in:NAME`, expected outputs as `out:NAME`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import tensorflow as tf
import tf_keras

from tests.loading import gradient_models, keras_models, split_models, tensorflow_models
from tests.loading.tiny import image, note


def main() -> None:
    folder, digits = Path(sys.argv[1]), Path(sys.argv[2])
    keras.utils.set_random_seed(1)
    tf_keras.utils.set_random_seed(1)
    for make in (
        keras_models.keras_files,
        keras_models.recurrent_files,
        keras_models.legacy_files,
        keras_models.files_with_code,
        tensorflow_models.saved_models,
        tensorflow_models.tf1_models,
        tensorflow_models.tflite_files,
        gradient_models.gradient_models,
        split_models.attention,
    ):
        make(folder)
    model = keras.models.load_model(digits / "model.keras", compile=False)
    x = image(28)[..., :1]
    note(folder, "digits", {"image": x}, {"probabilities": model(x, training=False)})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(digits / "saved_model"))
    (folder / "digits.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
