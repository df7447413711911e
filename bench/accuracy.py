"""What quantization costs in accuracy: float, plain converter, ai-edge-quantizer, and this project.

Cases: examples/digits, a separable CNN on the same digits with clean and with spiked calibration
samples, and the shared cases with data of their own, when --cases names their folder.
For each: top-1 where there are labels, else agreement with the float model; and SQNR of the outputs
in dB (mean over samples and outputs). ai-edge-quantizer takes part if it is installed. Where there
are labels, ours and the plain converter's are compared sample by sample, with McNemar's exact test:
an int8 model that beats its own float model does so by chance, and one nearer to float loses that.

Usage: python bench/accuracy.py [--cases FOLDER] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from coral_action.config.data_schema import CalibrationConfig  # noqa: E402
from coral_action.config.paths import PathRules  # noqa: E402
from coral_action.config.schema import ModelConfig  # noqa: E402
from coral_action.data import Sample  # noqa: E402
from coral_action.errors import CoralQuantizeError  # noqa: E402
from coral_action.evaluation.statistics import mcnemar_exact  # noqa: E402
from coral_action.inference import Runner  # noqa: E402
from coral_action.loading import load_model  # noqa: E402
from coral_action.quantization import quantize_model  # noqa: E402
from coral_action.quantization.scoring import score  # noqa: E402
from coral_action.tflite import pack, read_model, unpack  # noqa: E402

Array = np.ndarray


@dataclass
class Case:
    """A model with its data: arrays along the first axis, one input."""

    name: str
    source: Path
    calibration: Array
    evaluation: Array
    labels: Array | None
    keys: dict[str, Any]


TRAIN_SEPARABLE = """
import sys, keras, numpy as np
from sklearn.datasets import load_digits
keras.utils.set_random_seed(0)
x, y = load_digits(return_X_y=True)
x = (x.reshape(-1, 8, 8, 1) / 8 - 1).astype("float32")
order = np.random.default_rng(0).permutation(len(x))
x, y = x[order], y[order]
L = keras.layers
layers = [L.Input((8, 8, 1)), L.Conv2D(16, 3, padding="same", use_bias=False),
          L.BatchNormalization(), L.ReLU()]
for channels in (32, 32, 64):
    layers += [L.SeparableConv2D(channels, 3, padding="same", use_bias=False),
               L.BatchNormalization(), L.ReLU()]
layers += [L.GlobalAveragePooling2D(), L.Dense(10, activation="softmax")]
model = keras.Sequential(layers)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x[:1000], y[:1000], epochs=30, batch_size=32, verbose=0)
model.export(sys.argv[1] + "/separable", verbose=False)
np.savez(sys.argv[1] + "/separable.npz", calibration=x[1000:1100], x=x[1100:], y=y[1100:])
"""

# What the TensorFlow documentation shows for each kind of file.
PLAIN = """
import json, sys, tempfile
from pathlib import Path
import numpy as np, tensorflow as tf
source, samples, target, kind, shapes, outputs, shape, dense = sys.argv[1:9]
if kind == "frozen_graph":
    shapes = json.loads(shapes)
    converter = tf.compat.v1.lite.TFLiteConverter.from_frozen_graph(
        source, list(shapes), json.loads(outputs), shapes)
elif kind == "saved_model":
    converter = tf.lite.TFLiteConverter.from_saved_model(source)
else:
    import tf_keras
    model = tf_keras.models.load_model(source, compile=False)
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
data = np.load(samples)
converter.representative_dataset = lambda: (
    [s.reshape(json.loads(shape)).astype(np.float32)] for s in data)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
converter._experimental_disable_per_channel_quantization_for_dense_layers = dense == "per-tensor"
Path(target).write_bytes(converter.convert())
"""

EDGE = """
import sys, numpy as np
from ai_edge_quantizer import quantizer, recipe
float_path, samples, target, signature, name, shape = sys.argv[1:7]
import json
q = quantizer.Quantizer(float_path, recipe.static_wi8_ai8())
data = [{name: s.reshape(json.loads(shape)).astype(np.float32)} for s in np.load(samples)]
calibration = q.calibrate({signature: data})
q.quantize(calibration).export_model(target, overwrite=True)
"""


def main() -> None:
    """Print one line for each case and quantizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=lambda name: Path(name).resolve())
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--edge-python", default=sys.executable, help="has ai-edge-quantizer")
    options = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in cases(folder, options.cases):
            if options.only and case.name not in options.only:
                continue
            try:
                run_case(case, folder, options.edge_python)
            except CoralQuantizeError as error:
                print(f"{case.name}: {error.message[:150]}")


def cases(folder: Path, shared: Path | None) -> list[Case]:
    """All cases whose data are there."""
    found = [digits()]
    python("-c", TRAIN_SEPARABLE, str(folder))
    with np.load(folder / "separable.npz") as held:
        calibration, x, y = held["calibration"], held["x"], held["y"]
    found.append(Case("separable", folder / "separable", calibration, x, y, {}))
    found.append(Case("separable_spiked", folder / "separable", spiked(calibration), x, y, {}))
    if shared is not None:
        found += shared_cases(shared)
    return found


def digits() -> Case:
    """The example of this project."""
    from PIL import Image

    def images(kind: str) -> tuple[Array, Array]:
        paths = sorted((PROJECT / "examples/digits/data" / kind).rglob("*.png"))
        pixels = [np.asarray(Image.open(p).convert("L").resize((28, 28), 2)) for p in paths]
        array = (np.stack(pixels)[..., np.newaxis].astype(np.float32) - 127.5) / 127.5
        return array, np.array([int(p.parent.name) for p in paths])

    calibration, _ = images("calibration")
    x, y = images("test")
    return Case("digits", PROJECT / "examples/digits/saved_model", calibration, x, y, {})


def spiked(samples: Array) -> Array:
    """Two samples in which a few values are hundreds of times too large."""
    broken = samples.copy()
    generator = np.random.default_rng(0)
    for index in (31, 77):
        places = generator.integers(0, broken[index].size, 4)
        broken[index].flat[places] = 300 * np.sign(generator.normal(size=4))
    return broken


def shared_cases(folder: Path) -> list[Case]:
    """Real models with real data."""
    found = []
    for name, source, keys in (
        ("tiny_kws_savedmodel", "model", {}),
        (
            "kws_dnn_s_pb",
            "model/DNN_S.pb",
            {"inputs": {"Mfcc": [1, 25, 10]}, "outputs": ["labels_softmax"]},
        ),
    ):
        with np.load(folder / name / "evaluation.npz") as held:
            x, y = held["x"], held["y"]
        calibration = np.load(folder / name / "calibration.npy")
        found.append(Case(name, folder / name / source, calibration, x, y, keys))
    kws = found[0]
    source = folder / "tiny_kws_tflite/model/kws_ref_model_float32.tflite"
    found.append(Case("tiny_kws_tflite", source, kws.calibration, kws.evaluation, kws.labels, {}))
    source, made = folder / "tiny_ad01_h5/model/ad01.h5", log_mel(120)
    found.append(Case("tiny_ad01_h5_made_data", source, made[:100], made[100:], None, {}))
    with np.load(folder / "tiny_sww_h5/sww_calibration_samples.npz") as held:
        specs = held["specs"].astype(np.float32)
    source = folder / "tiny_sww_h5/model/str_ww_ref_model.h5"
    found.append(Case("tiny_sww_h5", source, specs[::2], specs[1::2], None, {}))
    for name, file in (
        ("slim320", "face_ulfg_slim320_tflite"),
        ("rfb320", "face_ulfg_rfb320_tflite"),
    ):
        photos = faces(folder / "images")
        source = folder / file / "model" / f"{name}.tflite"
        found.append(Case(file, source, photos[::2], photos[1::2], None, {}))
    return found


def log_mel(count: int) -> Array:
    """5 frames of 128 log-mel bands in dB; made up, as the anomaly detector has no data."""
    generator = np.random.default_rng(0)
    slope = np.linspace(-10, -40, 128)
    level = generator.normal(0, 6, (count, 1, 1))
    tone = 15 * np.exp(-(((np.arange(128) - generator.uniform(0, 128, (count, 1, 1))) / 4) ** 2))
    grain = generator.normal(0, 3, (count, 5, 128))
    return (slope + level + tone + grain).reshape(count, 640).astype(np.float32)


def faces(folder: Path) -> Array:
    """Photographs as the face detectors take them: 320 x 240 RGB, (x - 127) / 128."""
    from PIL import Image

    photos = [Image.open(p).convert("RGB").resize((320, 240), 2) for p in sorted(folder.iterdir())]
    return (np.stack([np.asarray(p, np.float32) for p in photos]) - 127) / 128


def run_case(case: Case, folder: Path, edge_python: str) -> None:
    """Quantize one case in every way and print the results."""
    samples = folder / f"{case.name}.npy"
    np.save(samples, case.calibration)
    config = ModelConfig(
        name=case.name,
        source=str(case.source),
        calibration=CalibrationConfig(npy=str(samples), samples=len(case.calibration)),
        **case.keys,
    )
    rules = PathRules(folder)
    model = load_model(config, rules, folder / f"{case.name}_float.tflite")
    (spec,) = model.inputs
    content = model.path.read_bytes()
    shape = [1, *spec.shape[1:]]
    inputs = [
        Sample(str(i), {spec.name: x.reshape(shape).astype(np.float32)}, None)
        for i, x in enumerate(case.evaluation)
    ]
    expected = outputs(content, inputs)
    print(f"{case.name} ({len(case.calibration)} to calibrate, {len(inputs)} to evaluate)")
    show("float", content, inputs, expected, case.labels)
    edge = folder / "edge.tflite"
    words = [str(model.path), str(samples), str(edge), signature(content), spec.name, str(shape)]
    attempt("ai-edge-quantizer", edge, [edge_python, "-c", EDGE, *words], inputs, expected, case)
    plain = None
    if model.format != "tflite":
        target = folder / "plain.tflite"
        cut = [json.dumps(case.keys.get("inputs", {})), json.dumps(case.keys.get("outputs", []))]
        words = [str(case.source), str(samples), str(target), model.format, *cut, str(shape)]
        command = [sys.executable, "-c", PLAIN, *words]
        plain = attempt("plain", target, [*command, "per-channel"], inputs, expected, case)
        # The Edge TPU takes fully-connected layers per tensor only; a switch few know does that.
        attempt("plain per-tensor", target, [*command, "per-tensor"], inputs, expected, case)
    for method in ("min_max", "auto"):
        chosen = config.model_copy(
            update={"calibration": config.calibration.model_copy(update={"method": method})}
        )
        target = folder / f"{method}.tflite"
        try:
            result = quantize_model(chosen, model, rules, target)
        except CoralQuantizeError as error:
            print(f"  {'ours ' + method:18} refused: {error.message[:90]}")
            continue
        found = show(f"ours {method}", target.read_bytes(), inputs, expected, case.labels)
        if found is not None and plain is not None and case.labels is not None:
            print(f"      against plain: {against(found, plain, case.labels)}")
        if method == "auto":
            extras = [
                n
                for n, on in (
                    ("bias correction", result.bias_correction),
                    ("equalization", result.equalization),
                )
                if on
            ]
            print(f"      chose {result.calibrator}{''.join(', ' + extra for extra in extras)}")


def signature(content: bytes) -> str:
    """The key of the only signature."""
    signatures = read_model(content).signatures
    return signatures[0].key if signatures else ""


def attempt(
    name: str,
    target: Path,
    words: list[str],
    inputs: list[Sample],
    expected: dict[str, Array],
    case: Case,
) -> Array | None:
    """Run another quantizer in a process of its own; its choices, None where it fails."""
    target.unlink(missing_ok=True)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode or not target.is_file():
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"  {name:18} failed: {reason[:90]}")
        return None
    return show(name, target.read_bytes(), inputs, expected, case.labels)


def outputs(content: bytes, inputs: list[Sample]) -> dict[str, Array]:
    """The outputs of a model on all samples."""
    model = read_model(content)
    runner = Runner(content, model.input_names(), model.output_names())
    rows = [runner.run(sample.inputs) for sample in inputs]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def named(content: bytes, name: str) -> bytes:
    """The same model with its one input under this name."""
    model = unpack(content)
    for item in model.signatureDefs or []:
        item.inputs[0].name = name
    return pack(model)


def show(
    name: str,
    content: bytes,
    inputs: list[Sample],
    expected: dict[str, Array],
    labels: Array | None,
) -> Array | None:
    """One line: top-1 or agreement, and SQNR of each output; returns the classes chosen."""
    try:
        content = named(content, next(iter(inputs[0].inputs)))
        found = outputs(content, inputs)
    except (KeyError, RuntimeError, ValueError) as error:
        print(f"  {name:18} can't be run: {str(error)[:90]}")
        return None
    text, choices = f"  {name:18}", None
    if labels is not None:
        (values,) = found.values()
        choices = values.argmax(axis=-1).reshape(-1)
        text += f" top-1 {np.mean(choices == labels):7.2%}"
    if name != "float":
        result = score(content, inputs, expected, range(len(inputs)))
        text += f"  SQNR {result.sqnr:6.2f} dB"
        if result.agreement is not None:
            text += f"  agreement {result.agreement:7.2%}"
    print(text)
    return choices


def against(ours: Array, plain: Array, labels: Array) -> str:
    """Percentage points, samples that only one of both has right, and whether it is chance."""
    gained = int(((ours == labels) & (plain != labels)).sum())
    lost = int(((ours != labels) & (plain == labels)).sum())
    points = 100 * (gained - lost) / len(labels)
    chance = mcnemar_exact(lost, gained)
    return f"{points:+.2f} points ({gained} better, {lost} worse, McNemar's p = {chance:.2f})"


def python(*words: str) -> None:
    """Run a script with this interpreter."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    main()
