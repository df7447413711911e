"""Tiny models of TensorFlow 1 and 2 and of TFLite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tests.loading.tiny import RNG, cnn, image, note

v1 = tf.compat.v1


def saved_models(folder: Path) -> None:
    x = image()
    model = cnn()
    expected = {"probabilities": model(x, training=False)}

    def serve(size: int | None) -> Any:
        spec = tf.TensorSpec((None, size, size, 3), tf.float32, name="image")
        return tf.function(
            lambda image: {"probabilities": model(image, training=False)}, input_signature=[spec]
        )

    def pooled(image: Any) -> Any:
        return {"pooled": keras.Model(model.inputs, model.get_layer("pool").output)(image)}

    holder = tf.Module()
    holder.model = model
    spec = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")
    pool = tf.function(pooled, input_signature=[spec])
    tf.saved_model.save(holder, folder / "saved", signatures={"serving_default": serve(8)})
    note(folder, "saved", {"image": x}, expected)
    note(folder, "saved@pool", {"image": x}, pool(x))
    tf.saved_model.save(holder, folder / "two", signatures={"classify": serve(8), "pool": pool})
    note(folder, "two", {"image": x}, {"pooled": pooled(x)["pooled"]})
    (folder / "lfs" / "variables").mkdir(parents=True)
    (folder / "lfs" / "saved_model.pb").write_bytes((folder / "saved/saved_model.pb").read_bytes())
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n"
    (folder / "lfs/variables/variables.data-00000-of-00001").write_text(pointer)
    opened = cnn(size=None)
    holder = tf.Module()
    holder.model = opened
    open_spec = tf.TensorSpec((None, None, None, 3), tf.float32, name="image")
    function = tf.function(
        lambda image: {"probabilities": opened(image, training=False)}, input_signature=[open_spec]
    )
    tf.saved_model.save(holder, folder / "open", signatures={"serving_default": function})
    note(folder, "open", {"image": x}, {"probabilities": opened(x, training=False)})

    class Unsigned(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = tf.Variable(tf.ones((3, 2)))

        @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return tf.nn.relu(x @ self.weights)

        @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, name="x")])
        def other(self, x: Any) -> Any:
            return x

    value = RNG.normal(size=(1, 3)).astype(np.float32)
    tf.saved_model.save(Unsigned(), folder / "unsigned")
    note(folder, "unsigned", {"x": value}, {"output_0": Unsigned()(value)})

    class Unused(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec((None, 3), tf.float32, name="x"),
                tf.TensorSpec((None, 2), tf.float32, name="labels"),
            ]
        )
        def __call__(self, x: Any, labels: Any) -> Any:
            return tf.nn.relu(x * 3.0 - 1.0)

    tf.saved_model.save(Unused(), folder / "unused")
    note(folder, "unused", {"x": value}, {"output_0": np.maximum(value * 3.0 - 1.0, 0.0)})

    class Looping(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 3), tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return tf.while_loop(
                lambda i, x: tf.reduce_sum(x) < 100.0, lambda i, x: (i + 1, x * 2.0), (0, x)
            )[1]

    tf.saved_model.save(Looping(), folder / "looping")

    class WithPython(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 3), tf.float32, name="x")])
        def __call__(self, x: Any) -> Any:
            return tf.ensure_shape(tf.numpy_function(lambda x: x * 2, [x], tf.float32), (1, 3))

    tf.saved_model.save(WithPython(), folder / "with_python")


def tf1_models(folder: Path) -> None:
    """SavedModel, frozen graphs, checkpoint and MetaGraph of TensorFlow 1."""
    (folder / "checkpoints").mkdir()
    dropout_graph(folder, "frozen_v2.pb")
    v1.disable_control_flow_v2()  # Switch and Merge, as TensorFlow 1 wrote them
    dropout_graph(folder, "frozen.pb")
    v1.enable_control_flow_v2()
    jpeg_graph(folder)


def dropout_graph(folder: Path, file: str) -> None:
    value = RNG.normal(size=(1, 6)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, (None, 6), name="x")
        keep = v1.placeholder(tf.float32, (), name="keep_prob")
        training = v1.placeholder(tf.bool, (), name="is_training")
        v1.placeholder(tf.float32, (None, 2), name="labels")
        weights = v1.get_variable("w", initializer=RNG.normal(size=(6, 4)).astype(np.float32))
        hidden = tf.nn.relu(x @ weights, name="hidden")
        hidden = v1.nn.dropout(hidden, keep_prob=keep)
        branch = v1.cond(training, lambda: hidden * 100.0, lambda: hidden + 1.0)
        scores = tf.nn.softmax(branch, name="scores")
        tf.identity(hidden * 2.0, name="side")
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            feed = {x: value, keep: 1.0, training: False}
            result, inner = session.run([scores, "hidden:0"], feed)
            if file == "frozen.pb":
                v1.saved_model.simple_save(
                    session,
                    str(folder / "tf1"),
                    {"x": x, "keep_prob": keep, "is_training": training},
                    {"scores": scores},
                )
            v1.train.Saver().save(session, str(folder / "checkpoints" / "model.ckpt"))
            frozen = v1.graph_util.convert_variables_to_constants(
                session, graph.as_graph_def(), ["scores", "side"]
            )
            v1.train.export_meta_graph(str(folder / "graph.pb"), clear_devices=True)
            (folder / "unfrozen.pb").write_bytes(
                v1.graph_util.extract_sub_graph(
                    graph.as_graph_def(), ["scores"]
                ).SerializeToString()
            )
    (folder / file).write_bytes(frozen.SerializeToString())
    (folder / "frozen.pbtxt").write_text(str(frozen))
    note(folder, "tf1", {"x": value}, {"scores": result})
    note(folder, file, {"x": value}, {"scores": result})
    note(folder, "frozen.pb@hidden", {"x": value}, {"hidden": inner})


def jpeg_graph(folder: Path) -> None:
    with tf.Graph().as_default() as graph:
        encoded = v1.placeholder(tf.string, (), name="jpeg")
        pixels = tf.expand_dims(tf.cast(tf.image.decode_jpeg(encoded, channels=3), tf.float32), 0)
        pixels = v1.image.resize_bilinear(pixels, (8, 8), name="resized")
        kernel = tf.constant(RNG.normal(size=(3, 3, 3, 2)).astype(np.float32))
        out = tf.nn.relu(tf.nn.conv2d(pixels, kernel, 1, "VALID"), name="out")
        picture = image()
        with v1.Session() as session:
            result = session.run(out, {pixels: picture})
    (folder / "jpeg.pb").write_bytes(graph.as_graph_def().SerializeToString())
    note(folder, "jpeg.pb", {"resized": picture}, {"out": result})


# --- TFLite ---------------------------------------------------------------------------------------


def tflite_files(folder: Path) -> None:
    x = image()
    model = cnn()
    spec = tf.TensorSpec((1, 8, 8, 3), tf.float32, name="image")
    frozen = convert_variables_to_constants_v2(
        tf.function(lambda image: model(image, training=False)).get_concrete_function(spec)
    )
    expected = model(x, training=False)

    def convert(file: str, function: Any = frozen, **options: Any) -> bytes:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
        for name, value in options.items():
            setattr(converter, name, value)
        content = converter.convert()
        (folder / file).write_bytes(content)
        return content

    def data() -> Any:
        for _ in range(8):
            yield [image()]

    fast = [tf.lite.Optimize.DEFAULT]
    int8 = {
        "optimizations": fast,
        "representative_dataset": data,
        "target_spec": tf.lite.TargetSpec([tf.lite.OpsSet.TFLITE_BUILTINS_INT8]),
    }
    convert("float.tflite")
    convert(
        "float16.tflite",
        optimizations=fast,
        target_spec=tf.lite.TargetSpec(supported_types=[tf.float16]),
    )
    convert("int8.tflite", **int8, inference_input_type=tf.int8, inference_output_type=tf.int8)
    convert("int8_float_io.tflite", **int8)
    convert(
        "int16.tflite",
        optimizations=fast,
        representative_dataset=data,
        target_spec=tf.lite.TargetSpec(
            [tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8]
        ),
    )
    for file in ("float.tflite", "float16.tflite"):
        note(folder, file, {"image": x}, {"output_0": expected})
    # With an open batch and a Reshape layer, the converter computes the shape at run time.
    start = keras.Input((8, 8, 3), name="image")
    end = keras.layers.Reshape((-1, 4), name="out")(keras.layers.Conv2D(4, 3)(start))
    reshaping = keras.Model(start, end)
    open_batch = tf.TensorSpec((None, 8, 8, 3), tf.float32, name="image")
    convert(
        "open_batch.tflite",
        convert_variables_to_constants_v2(
            tf.function(lambda image: reshaping(image)).get_concrete_function(open_batch)
        ),
    )
    note(folder, "open_batch.tflite", {"image": x}, {"output_0": reshaping(x)})
    open_model = cnn(size=None)
    open_size = tf.TensorSpec((None, None, None, 3), tf.float32, name="image")
    convert(
        "open_size.tflite",
        convert_variables_to_constants_v2(
            tf.function(lambda image: open_model(image)).get_concrete_function(open_size)
        ),
    )
    note(folder, "open_size.tflite", {"image": x}, {"output_0": open_model(x, training=False)})

    def loop(x: Any) -> Any:
        return tf.while_loop(lambda x: tf.reduce_sum(x) < 9.0, lambda x: (x * 2.0,), (x,))[0]

    looping = tf.function(loop).get_concrete_function(tf.TensorSpec((1, 3)))
    convert("while.tflite", looping)
    # Betainc is an operator that TFLite has no kernel for.
    custom = tf.function(lambda x: tf.nn.relu(tf.raw_ops.Betainc(a=tf.nn.tanh(x), b=x, x=x)))
    convert(
        "custom.tflite",
        custom.get_concrete_function(tf.TensorSpec((1, 3))),
        allow_custom_ops=True,
    )
    # Weights below 1024 elements stay float: this one has larger ones.
    wide = keras.Sequential([keras.Input((64,)), keras.layers.Dense(64, "relu", name="out")])
    vector = tf.TensorSpec((1, 64), tf.float32, name="x")
    convert(
        "dynamic_range.tflite",
        convert_variables_to_constants_v2(
            tf.function(lambda x: wide(x)).get_concrete_function(vector)
        ),
        optimizations=fast,
    )
    value = RNG.normal(size=(1, 64)).astype(np.float32)
    kernel, bias = wide.get_weights()
    scale = np.abs(kernel).max(axis=0) / 127  # symmetric int8, one scale an output
    restored = np.rint(kernel / scale) * scale
    note(
        folder,
        "dynamic_range.tflite",
        {"x": value},
        {"output_0": np.maximum(value @ restored + bias, 0)},
    )
