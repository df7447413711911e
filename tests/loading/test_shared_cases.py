"""Real models of strangers: quantized as a whole, or refused with the cause."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.errors import EXIT_MODEL, ModelError
from coral_action.inference import Runner
from coral_action.loading import FloatModel, load_model
from coral_action.quantization import quantize_model
from coral_action.tflite import read_model
from tests.loading.fork_server import ForkServer

MFCC = {"inputs": {"Mfcc": [1, 25, 10]}, "outputs": ["labels_softmax"]}
PHOTOGRAPHS = {
    "calibration": {"images": "images"},
    "preprocess": {"mean": 127.0, "std": 128.0},
}


def npy(path: str) -> dict[str, Any]:
    return {"calibration": {"npy": path}}


FACES = {
    name: (f"face_ulfg_{name}_tflite/model/{name}.tflite", PHOTOGRAPHS)
    for name in ("slim320", "rfb320")
}
QUANTIZED: dict[str, tuple[str, dict[str, Any]]] = {
    "tiny_kws_savedmodel": (
        "tiny_kws_savedmodel/model",
        npy("tiny_kws_savedmodel/calibration.npy"),
    ),
    "tiny_kws_tflite": (
        "tiny_kws_tflite/model/kws_ref_model_float32.tflite",
        npy("tiny_kws_savedmodel/calibration.npy"),
    ),
    "kws_dnn_s_pb": (
        "kws_dnn_s_pb/model/DNN_S.pb",
        {**MFCC, **npy("kws_dnn_s_pb/calibration.npy")},
    ),
    "tiny_sww_h5": ("tiny_sww_h5/model/str_ww_ref_model.h5", npy("SCRATCH/sww.npy")),
    "tiny_ad01_h5": ("tiny_ad01_h5/model/ad01.h5", npy("SCRATCH/ad.npy")),
    **{f"face_ulfg_{name}_tflite": case for name, case in FACES.items()},
}
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "kws_gru_s_pb": ("kws_gru_s_pb/model/GRU_S.pb", MFCC, "control flow (loops)"),
    "kws_gru_s_pb, nothing named": ("kws_gru_s_pb/model/GRU_S.pb", {}, "rnn/while/Enter"),
    "tflm_mnist_lstm_tflite": (
        "tflm_mnist_lstm_tflite/model/mnist_lstm.tflite",
        {},
        "a fused recurrent operator, which keeps its state in the model: "
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
    ),
    "blaueck_mtcnn_pb": ("blaueck_mtcnn_pb/model/blaueck_mtcnn.pb", {}, "control flow (loops)"),
    "blaueck_mtcnn_pb, output named": (
        "blaueck_mtcnn_pb/model/blaueck_mtcnn.pb",
        {"outputs": ["prob"]},
        "pnet/while/Enter",
    ),
}


def config(corpus: Path, source: str, options: dict[str, Any]) -> ModelConfig:
    calibration = options.get("calibration", {"npy": "none.npy"})
    places = {kind: str(corpus / "cases" / path) for kind, path in calibration.items()}
    return ModelConfig.model_validate(
        {
            "name": "model",
            "source": str(corpus / "cases" / source),
            **options,
            "calibration": {**places, "method": "min_max"},
        }
    )


def float_model(
    corpus: Path, source: str, options: dict[str, Any], folder: Path
) -> tuple[ModelConfig, FloatModel]:
    if options.get("calibration", {}).get("npy", "").startswith("SCRATCH"):
        name = Path(options["calibration"]["npy"]).name
        if name == "sww.npy":
            with np.load(corpus / "cases/tiny_sww_h5/sww_calibration_samples.npz") as samples:
                np.save(folder / name, samples[samples.files[0]])
        else:  # tiny_ad01_h5 has no data of its own: log-mel energies are about N(-20, 10)
            rng = np.random.default_rng(0)
            np.save(folder / name, rng.normal(-20, 10, (40, 640)).astype(np.float32))
        options = {**options, **npy(str(folder / name))}
    model = config(corpus, source, options)
    return model, load_model(model, PathRules(folder), folder / "float.tflite")


@pytest.mark.parametrize("case", QUANTIZED)
def test_quantizes(
    case: str,
    corpus: Path,
    server: ForkServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    source, options = QUANTIZED[case]
    model_config, model = float_model(corpus, source, options, tmp_path)
    result = quantize_model(model_config, model, PathRules(tmp_path), tmp_path / "int8.tflite")
    # quantize_model verifies: no float tensor, int8 IO, int32 bias, static, one subgraph.
    assert len(result.model.operators) > 4
    assert {t.type for t in result.model.tensors} <= {"INT8", "INT32", "INT64", "BOOL"}


def test_dynamic_range_tflite_keeps_its_accuracy(
    corpus: Path, server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The expanded .tflite classifies as the corpus says of the float model, within 1 point."""
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    source, options = QUANTIZED["tiny_kws_tflite"]
    _, model = float_model(corpus, source, options, tmp_path)
    with np.load(corpus / "cases/tiny_kws_savedmodel/evaluation.npz") as data:
        x, y = data["x"].reshape(-1, 1, 49, 10, 1).astype(np.float32), data["y"]

    def top1(path: Path) -> float:
        view = read_model(path)
        runner = Runner(path, view.input_names(), view.output_names())
        (name,) = view.input_names()
        guesses = [np.argmax(next(iter(runner.run({name: s}).values()))) for s in x]
        return float(np.mean(np.array(guesses) == y))

    # The corpus gives 0.9187 for the float model.
    assert top1(model.path) == pytest.approx(0.9187, abs=0.01)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(
    case: str,
    corpus: Path,
    server: ForkServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    source, options, message = REFUSED[case]
    with pytest.raises(ModelError) as caught:
        float_model(corpus, source, options, tmp_path)
    assert message in caught.value.message
    assert caught.value.exit_code == EXIT_MODEL
    assert caught.value.hint


def test_compiled_model_is_refused(
    corpus: Path, server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    compiled = sorted((corpus / "corpus" / "compiled").glob("*_edgetpu.tflite"))
    if not compiled:
        pytest.skip("the corpus has no compiled models")
    with pytest.raises(ModelError, match="compiled for the Edge TPU already"):
        float_model(corpus, str(compiled[0]), {}, tmp_path)


def test_published_int8_model_goes_through_as_it_is(
    corpus: Path, server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coral_action.loading.run_isolated", server.run_isolated)
    source = corpus / "cases" / "tiny_kws_savedmodel" / "published_int8.tflite"
    _, model = float_model(corpus, str(source), {}, tmp_path)
    assert model.already_quantized
    assert [finding.id for finding in model.findings] == ["CQ502"]
    assert {spec.dtype for spec in (*model.inputs, *model.outputs)} == {"int8"}
