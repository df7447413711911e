"""What the makers of tiny models share: a small network, random data, notes of the results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

RNG = np.random.default_rng(20261123)


def note(folder: Path, name: str, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
    """Write what the framework computed."""
    arrays = {f"in:{key}": np.asarray(value) for key, value in inputs.items()}
    arrays |= {f"out:{key}": np.asarray(value) for key, value in outputs.items()}
    np.savez(folder / f"{name}.npz", **arrays)


def image(size: int = 8) -> np.ndarray:
    return RNG.normal(size=(1, size, size, 3)).astype(np.float32)


def cnn(library: Any = keras, size: int | None = 8, name: str = "image") -> Any:
    x = inputs = library.Input((size, size, 3), name=name)
    x = library.layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv")(x)
    x = library.layers.BatchNormalization(name="bn")(x)
    x = library.layers.ReLU(name="relu")(x)
    x = library.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = library.layers.GlobalAveragePooling2D(name="pool")(x)
    x = library.layers.Dense(3, name="logits")(x)
    outputs = library.layers.Softmax(name="probabilities")(x)
    return library.Model(inputs, outputs, name="cnn")
