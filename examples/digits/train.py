"""Train a small digit classifier and export it in every form the tool can read.

The images are scikit-learn's `load_digits`: 1797 grey 8x8 images of handwritten digits. The script
writes a calibration set and a test set as PNG files, trains on the remaining images, checks the
accuracy on the test files, and exports the model as `model.keras`, `saved_model/` and `frozen.pb`.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SEED = 20261123
CLASSES = 10
SIZE = 28
TEST_IMAGES = 400
CALIBRATION_IMAGES = 100
EPOCHS = 40
BATCH_SIZE = 32
REQUIRED_TOP1 = 0.97


def preprocess(image: Image.Image) -> np.ndarray:
    """Turn an 8-bit grey image into the model's input: float32, shape (28, 28, 1), -1 to 1."""
    resized = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    pixels = np.asarray(resized, dtype=np.float32)
    return ((pixels - 127.5) / 127.5)[:, :, np.newaxis]


def split_indices(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the dataset indices of the train, calibration and test images, all disjoint."""
    rest, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_IMAGES, stratify=labels, random_state=SEED
    )
    rng = np.random.default_rng(SEED)
    per_class = CALIBRATION_IMAGES // CLASSES
    calibration = np.concatenate(
        [rng.choice(rest[labels[rest] == c], per_class, replace=False) for c in range(CLASSES)]
    )
    train = np.setdiff1d(rest, calibration)
    return train, np.sort(calibration), np.sort(test)


def write_images(
    folder: Path, indices: np.ndarray, images: list[Image.Image], labels: np.ndarray
) -> None:
    """Write the chosen images as `<folder>/<digit>/<index>.png`, replacing the folder."""
    if folder.exists():
        shutil.rmtree(folder)
    for index in indices:
        path = folder / str(labels[index]) / f"{index:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        images[index].save(path)


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a folder made by `write_images`; return the model inputs and the labels."""
    paths = sorted(folder.glob("*/*.png"))
    inputs = []
    for path in paths:
        with Image.open(path) as image:
            inputs.append(preprocess(image))
    return np.stack(inputs), np.array([int(path.parent.name) for path in paths])


class AugmentedImages(keras.utils.PyDataset):
    """Shuffled batches of training images, each one shifted a little and with noise added."""

    def __init__(self, inputs: np.ndarray, labels: np.ndarray) -> None:
        """Keep the images and shuffle them for the first epoch."""
        super().__init__(workers=1, use_multiprocessing=False)
        self.inputs = inputs
        self.labels = labels
        self.epoch = 0
        self.order = np.random.default_rng([SEED, self.epoch]).permutation(len(labels))

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return -(-len(self.labels) // BATCH_SIZE)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one batch."""
        chosen = self.order[index * BATCH_SIZE : (index + 1) * BATCH_SIZE]
        # A generator of its own for each batch: the batch does not depend on the order of calls.
        rng = np.random.default_rng([SEED, self.epoch, index])
        batch = np.stack([shift(self.inputs[i], *rng.integers(-2, 3, size=2)) for i in chosen])
        noise = rng.normal(0.0, 0.05, size=batch.shape).astype(np.float32)
        return np.clip(batch + noise, -1.0, 1.0), self.labels[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle the images for the next epoch."""
        self.epoch += 1
        self.order = np.random.default_rng([SEED, self.epoch]).permutation(len(self.labels))


def shift(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Move an image by at most two pixels each way; what comes in at the border is black."""
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), constant_values=-1.0)
    return padded[2 - down : 2 - down + SIZE, 2 - right : 2 - right + SIZE]


def batch_norm_relu6(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Add batch normalization and a ReLU6."""
    x = keras.layers.BatchNormalization(name=f"{name}_bn")(x)
    return keras.layers.ReLU(max_value=6, name=f"{name}_relu6")(x)


def separable_block(
    x: keras.KerasTensor, name: str, filters: int, strides: int
) -> keras.KerasTensor:
    """Add a depthwise and a pointwise convolution, each with batch norm and ReLU6."""
    x = keras.layers.DepthwiseConv2D(
        3, strides=strides, padding="same", use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = batch_norm_relu6(x, f"{name}_depthwise")
    x = keras.layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_pointwise")(x)
    return batch_norm_relu6(x, f"{name}_pointwise")


def build_model() -> keras.Model:
    """Build the network: a stride-2 convolution, four separable blocks and a dense head."""
    image = keras.Input((SIZE, SIZE, 1), name="image")
    x = keras.layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False, name="conv")(image)
    x = batch_norm_relu6(x, "conv")
    x = separable_block(x, "block1", filters=32, strides=1)
    x = separable_block(x, "block2", filters=64, strides=2)
    x = separable_block(x, "block3", filters=64, strides=1)
    x = separable_block(x, "block4", filters=96, strides=2)
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    probabilities = keras.layers.Dense(CLASSES, activation="softmax", name="probabilities")(x)
    return keras.Model(image, probabilities, name="digits")


def train_model(inputs: np.ndarray, labels: np.ndarray) -> keras.Model:
    """Train a new model on the given images."""
    model = build_model()
    batches = AugmentedImages(inputs, labels)
    schedule = keras.optimizers.schedules.CosineDecay(3e-3, decay_steps=EPOCHS * len(batches))
    model.compile(
        optimizer=keras.optimizers.Adam(schedule),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    model.fit(batches, epochs=EPOCHS, shuffle=False, verbose=2)
    return model


def without_optimizer(model: keras.Model) -> keras.Model:
    """Return a copy of the model that was never compiled, so that only its weights are saved."""
    copy = build_model()
    copy.set_weights(model.get_weights())
    return copy


def export_saved_model(model: keras.Model, folder: Path) -> None:
    """Save a SavedModel with the signature `serving_default`: image -> probabilities."""
    if folder.exists():
        shutil.rmtree(folder)
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        name="serving_default",
        fn=lambda image: {"probabilities": model(image, training=False)},
        input_signature=[tf.TensorSpec((None, SIZE, SIZE, 1), tf.float32, name="image")],
    )
    archive.write_out(str(folder), verbose=False)


def export_frozen_graph(model: keras.Model, path: Path) -> None:
    """Save a frozen GraphDef with the placeholder `image` and the last node `probabilities`."""

    @tf.function(
        input_signature=[tf.TensorSpec((None, SIZE, SIZE, 1), tf.float32, name="image")],
        autograph=False,
    )
    def predict(image: tf.Tensor) -> tf.Tensor:
        return tf.identity(model(image, training=False), name="probabilities")

    frozen = convert_variables_to_constants_v2(predict.get_concrete_function())
    # The function's own return node comes after `probabilities`: leave it out.
    graph_def = tf.compat.v1.graph_util.extract_sub_graph(
        frozen.graph.as_graph_def(), ["probabilities"]
    )
    path.write_bytes(graph_def.SerializeToString(deterministic=True))


def main() -> None:
    """Write the images, train, check the accuracy and export."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--output",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="folder to write to (default: the folder of this script)",
    )
    output: Path = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)

    keras.utils.set_random_seed(SEED)
    tf.config.experimental.enable_op_determinism()

    digits = load_digits()
    labels = digits.target
    images = [Image.fromarray(np.round(v * 255 / 16).astype(np.uint8)) for v in digits.images]
    train, calibration, test = split_indices(labels)
    write_images(output / "data" / "calibration", calibration, images, labels)
    write_images(output / "data" / "test", test, images, labels)
    (output / "labels.txt").write_text("".join(f"{c}\n" for c in range(CLASSES)))

    model = train_model(np.stack([preprocess(images[i]) for i in train]), labels[train])

    test_inputs, test_labels = read_images(output / "data" / "test")
    predicted = model.predict(test_inputs, verbose=0).argmax(axis=1)
    correct = int((predicted == test_labels).sum())
    top1 = correct / len(test_labels)
    print(f"images: {len(train)} train, {len(calibration)} calibration, {len(test)} test")
    print(f"parameters: {model.count_params()}")
    print(f"float top-1: {top1:.4f} ({correct} of {len(test_labels)})")
    assert top1 >= REQUIRED_TOP1, f"float top-1 is below {REQUIRED_TOP1}"

    model = without_optimizer(model)
    model.save(output / "model.keras")
    export_saved_model(model, output / "saved_model")
    export_frozen_graph(model, output / "frozen.pb")


if __name__ == "__main__":
    main()
