"""What quantization costs in accuracy: float, plain converter, ai-edge-quantizer, and this project.

Cases: examples/digits, a separable CNN on the same digits with clean and with spiked calibration
samples, and the shared cases with data of their own, when --cases names their folder.
For each: top-1 where there are labels, else agreement with the float model; and SQNR of the outputs
in dB (mean over samples and outputs). ai-edge-quantizer takes part if it is installed.

Usage: python bench/accuracy.py [--cases FOLDER] [--only NAME ...]
"""

from __future__ import annotations

import argparse
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

PLAIN = """
import sys, numpy as np, tensorflow as tf
source, samples, target, kind, name, shape, output = sys.argv[1:8]
from pathlib import Path
sys.path.insert(0, sys.argv[8])
from coral_action.loading.recipe import LoadRequest
from coral_action.loading import frozen_graph, keras_model, saved_model
loaders = {"saved_model": saved_model, "frozen_graph": frozen_graph, "keras": keras_model,
           "keras_h5": keras_model}
import json
request = LoadRequest(source, kind, None, {k: tuple(v) for k, v in json.loads(shape).items()},
                      tuple(json.loads(output)))
traceable = loaders[kind].load(request)
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
specs = [tf.TensorSpec(s.shape, s.dtype) for s in traceable.inputs]
def flat(*tensors):
    return [tf.identity(t) for t in traceable.function(*tensors)]
frozen = convert_variables_to_constants_v2(tf.function(flat).get_concrete_function(*specs))
converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen], tf.Module())
converter.optimizations = [tf.lite.Optimize.DEFAULT]
data = np.load(samples)
converter.representative_dataset = lambda: (
    [s.reshape(traceable.inputs[0].shape).astype(np.float32)] for s in data)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.int8
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
    parser.add_argument("--cases", type=Path)
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
    if model.format != "tflite":
        plain = folder / "plain.tflite"
        import json

        given = json.dumps(case.keys.get("inputs", {}))
        words = [str(case.source), str(samples), str(plain), model.format, spec.name, given]
        words += [json.dumps(case.keys.get("outputs", [])), str(PROJECT)]
        attempt("plain", plain, [sys.executable, "-c", PLAIN, *words], inputs, expected, case)
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
        show(f"ours {method}", target.read_bytes(), inputs, expected, case.labels)
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
) -> None:
    """Run another quantizer in a process of its own; say why, if it fails."""
    target.unlink(missing_ok=True)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    if done.returncode or not target.is_file():
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"  {name:18} failed: {reason[:90]}")
        return
    show(name, target.read_bytes(), inputs, expected, case.labels)


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
) -> None:
    """One line: top-1 or agreement, and SQNR of each output."""
    try:
        content = named(content, next(iter(inputs[0].inputs)))
        found = outputs(content, inputs)
    except (KeyError, RuntimeError, ValueError) as error:
        print(f"  {name:18} can't be run: {str(error)[:90]}")
        return
    text = f"  {name:18}"
    if labels is not None:
        (values,) = found.values()
        text += f" top-1 {np.mean(values.argmax(axis=-1).reshape(-1) == labels):7.2%}"
    if name != "float":
        result = score(content, inputs, expected, range(len(inputs)))
        text += f"  SQNR {result.sqnr:6.2f} dB"
        if result.agreement is not None:
            text += f"  agreement {result.agreement:7.2%}"
    print(text)


def python(*words: str) -> None:
    """Run a script with this interpreter."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *words], check=True, capture_output=True, env=environment)


if __name__ == "__main__":
    main()
