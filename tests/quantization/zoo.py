"""Small models for tests, each a few operators; run as a script, as it imports TensorFlow.

Writes <name>.tflite (float) and <name>.npy (100 samples, made by NumPy with a fixed seed) for each
model, and plain_<name>.tflite, TensorFlow's own int8 result, for those in PLAIN.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PLAIN = ("chain",)
SHAPES = {
    "chain": (1, 12, 12, 3),
    "residual": (1, 12, 12, 8),
    "uneven": (1, 12, 12, 3),
    "transpose_relu": (1, 6, 6, 4),
    "hard_swish": (1, 6, 6, 8),
    "gelu": (1, 6, 6, 8),
    "nearest_twice": (1, 6, 6, 4),
    "nearest_half": (1, 6, 6, 4),
    "bilinear_half": (1, 6, 6, 4),
    "bilinear_twice": (1, 6, 6, 4),
    "bilinear_pixel": (1, 1, 1, 4),
    "square_neg": (1, 6, 6, 4),
    "unread_split": (1, 6, 6, 8),
    "unread_split_v": (1, 6, 6, 8),
    "unread_unpack": (1, 6, 6, 8),
    "unpack_last": (1, 6, 4),
    "without_batch": (1, 6, 6, 4),
    "dead_relu": (1, 6, 6, 4),
    "pool_relu": (1, 12, 12, 3),
    "pool_signed": (1, 12, 12, 3),
    "pool_odd": (1, 11, 11, 3),
    "masked": (1, 6, 6, 4),
    "log": (1, 6, 6, 4),
    "nan_weight": (1, 6, 6, 4),
    "with_padding": (1, 6, 6, 4),
}


def samples(name: str) -> np.ndarray:
    """100 standard normal samples."""
    generator = np.random.default_rng(list(name.encode()))
    return generator.normal(size=(100, *SHAPES[name][1:])).astype(np.float32)


def functions() -> dict[str, Callable[[Any], Any]]:
    import tensorflow as tf

    generator = np.random.default_rng(7)

    def drawn(*shape: int) -> np.ndarray:
        return generator.normal(size=shape) / np.sqrt(np.prod(shape[:-1]))

    def weights(*shape: int) -> Any:
        return tf.constant(drawn(*shape), tf.float32)

    def conv(x: Any, channels: int, kernel: int = 3) -> Any:
        y = tf.nn.conv2d(x, weights(kernel, kernel, x.shape[-1], channels), 1, "SAME")
        return y + tf.constant(generator.normal(size=channels) * 0.1, tf.float32)

    def depthwise(x: Any) -> Any:
        y = tf.nn.depthwise_conv2d(x, weights(3, 3, x.shape[-1], 1), [1, 1, 1, 1], "SAME")
        return y + tf.constant(generator.normal(size=x.shape[-1]) * 0.1, tf.float32)

    def chain(x: Any) -> Any:
        y = tf.nn.relu6(conv(x, 8))
        y = tf.nn.relu(conv(tf.nn.relu6(depthwise(y)), 16, 1))
        y = tf.reduce_mean(y, [1, 2])
        return tf.nn.softmax(tf.matmul(y, weights(16, 5)) + 0.1)

    def residual(x: Any) -> Any:
        a = conv(x, 8)
        b = a + conv(tf.nn.relu(a), 8)
        return b + 3.0 * conv(tf.nn.relu(b), 8)

    def uneven(x: Any) -> Any:
        size = 2.0 ** generator.uniform(-4, 4, 8)
        first = tf.constant(drawn(3, 3, 3, 8) * size, tf.float32)
        second = tf.constant(drawn(3, 3, 8, 1) / size[:, None], tf.float32)
        bias = tf.constant(generator.normal(size=8) * 0.1 * size, tf.float32)
        y = tf.nn.relu(tf.nn.conv2d(x, first, 1, "SAME") + bias)
        y = tf.nn.relu(tf.nn.depthwise_conv2d(y, second, [1, 1, 1, 1], "SAME") + 0.1)
        return conv(y, 4)

    def with_padding(x: Any) -> Any:
        around = [[0, 0], [1, 1], [1, 1], [0, 0]]
        above = tf.pad(tf.nn.relu(x) + 1.0, around)
        below = tf.pad(-1.0 - tf.nn.relu(conv(x, 4)), around)
        y = tf.nn.space_to_depth(tf.transpose(above, [0, 2, 1, 3]) - 2.0 * below, 2)
        five_axes = tf.reshape(y, [1, 4, 4, 2, 8]) + 1.0
        y = tf.reshape(five_axes, [1, 256]) - tf.reduce_mean(five_axes)
        return tf.nn.softmax(y)

    def unread_split(x: Any) -> Any:
        first, _, third, _ = tf.split(conv(x, 8), 4, axis=-1)
        return tf.nn.relu(third) - first

    def unread_split_v(x: Any) -> Any:
        _, second, third, _ = tf.split(conv(x, 8), [1, 4, 1, 2], axis=-1)
        return tf.nn.relu(second) - third

    def unread_unpack(x: Any) -> Any:
        _, second, _, fourth, *_ = tf.unstack(conv(x, 8), axis=1)
        return tf.nn.relu(fourth) - second

    def unpack_last(x: Any) -> Any:
        first, second, third, fourth = tf.unstack(x, axis=-1)
        return first + second * third - fourth

    def without_batch(x: Any) -> Any:
        y = conv(x, 4)
        return {"rows": tf.reshape(tf.nn.relu(y), [36, 4]), "mean": tf.reduce_mean(y)}

    def dead_relu(x: Any) -> Any:
        y = tf.nn.relu(conv(x, 8) - 1000.0)
        return tf.matmul(tf.reshape(y, [1, 288]), weights(288, 5)) + tf.range(5.0)

    def transpose_relu(x: Any) -> Any:
        kernel = weights(3, 3, 5, 4)
        y = tf.nn.conv2d_transpose(x, kernel, [1, 12, 12, 5], 2, "SAME")
        return tf.nn.relu(y + tf.constant(generator.normal(size=5) * 0.1, tf.float32))

    def pooled(x: Any, activation: Callable[[Any], Any]) -> Any:
        """What a padded MaxPool of ONNX becomes."""
        y, around = activation(conv(x, 8)), [[0, 0], [1, 1], [1, 1], [0, 0]]
        return tf.nn.max_pool2d(tf.pad(y, around, constant_values=y.dtype.min), 3, 2, "VALID")

    def resized(method: str, size: int) -> Callable[[Any], Any]:
        return lambda x: tf.image.resize(x, [size, size], method)

    return {
        "chain": chain,
        "residual": residual,
        "uneven": uneven,
        "transpose_relu": transpose_relu,
        "hard_swish": lambda x: x * tf.nn.relu6(x + 3) * (1 / 6),
        "gelu": lambda x: tf.nn.gelu(3.0 * x),
        "nearest_twice": resized("nearest", 12),
        "nearest_half": resized("nearest", 3),
        "bilinear_half": resized("bilinear", 3),
        "bilinear_twice": resized("bilinear", 12),
        "bilinear_pixel": resized("bilinear", 5),
        "square_neg": lambda x: -tf.square(conv(x, 4)),
        "unread_split": unread_split,
        "unread_split_v": unread_split_v,
        "unread_unpack": unread_unpack,
        "unpack_last": unpack_last,
        "without_batch": without_batch,
        "dead_relu": dead_relu,
        "pool_relu": lambda x: pooled(x, tf.nn.relu),
        "pool_signed": lambda x: pooled(x, tf.identity),
        "pool_odd": lambda x: pooled(x, tf.identity),
        "masked": lambda x: tf.nn.softmax(x + tf.constant([0.0, 0.0, 0.0, -3.4e38])),
        "with_padding": with_padding,
        "log": lambda x: tf.math.log(conv(x, 4)),
        "nan_weight": lambda x: conv(x, 4) * tf.constant([1.0, float("nan"), 1.0, 1.0]),
    }


def main(folder: Path) -> None:
    import tensorflow as tf

    for name, function in functions().items():
        spec = tf.TensorSpec(SHAPES[name], tf.float32, name="x")
        concrete = tf.function(function).get_concrete_function(spec)
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
        (folder / f"{name}.tflite").write_bytes(converter.convert())
        np.save(folder / f"{name}.npy", samples(name))
        if name in PLAIN:
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], tf.Module())
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.representative_dataset = lambda name=name: ([s[None]] for s in samples(name))
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.inference_input_type = converter.inference_output_type = tf.int8
            converter._experimental_disable_per_channel_quantization_for_dense_layers = True
            (folder / f"plain_{name}.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
