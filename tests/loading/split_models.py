"""Attention over parts of the input: BATCH_MATMUL, which the Edge TPU lacks, behind a SPLIT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf


def attention(folder: Path) -> None:
    """softmax(q k^T / 2) v, of three equal parts q, k, v of twice the input, in three formats."""

    def call(x: Any) -> Any:
        q, k, v = tf.split(x * 2.0, 3, axis=-1)
        return tf.nn.softmax(tf.matmul(q, k, transpose_b=True) * 0.5) @ v

    spec = tf.TensorSpec((1, 6, 12), tf.float32, name="x")
    module = tf.Module()
    module.call = tf.function(call, input_signature=[spec])
    tf.saved_model.save(module, folder / "attention", signatures=module.call)
    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, (None, 6, 12), name="x")
        tf.identity(call(x), name="out")
    (folder / "attention.pb").write_bytes(graph.as_graph_def().SerializeToString())
    start = keras.Input((6, 12), name="x")
    q, k, v = keras.ops.split(start * 2.0, 3, axis=-1)
    scores = keras.ops.matmul(q, keras.ops.transpose(k, (0, 2, 1))) * 0.5
    weights = keras.layers.Softmax()(scores)
    keras.Model(start, keras.ops.matmul(weights, v)).save(folder / "attention.keras")
    data = np.random.default_rng(0).normal(size=(16, 6, 12)).astype(np.float32)
    np.save(folder / "attention.npy", data)
