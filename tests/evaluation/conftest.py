"""Models and data that the evaluation tests share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from coral_action.config.loader import parse_config
from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.evaluation import Accuracy, evaluate
from coral_action.loading import FloatModel, load_model
from coral_action.quantization import quantize_model


@dataclass(frozen=True)
class Case:
    """A float model, its int8 form, and a way to evaluate both."""

    base: Path
    config: str  # the model's part of coral.yml, without `evaluation` and `limits`
    model: FloatModel
    int8: Path

    def parse(self, evaluation: str, limits: str = "{}") -> ModelConfig:
        """The model's config with this evaluation."""
        text = f"version: 1\nmodels:\n  - name: case\n    {self.config}\n"
        text += f"    evaluation: {evaluation}\n    limits: {limits}\n"
        return parse_config(text, "coral.yml").models[0]

    def evaluate(self, evaluation: str, limits: str = "{}", **options) -> Accuracy:
        """Evaluate as coral.yml says."""
        config = self.parse(evaluation, limits)
        return evaluate(config, self.model, self.int8, PathRules(self.base), **options)


@pytest.fixture(scope="session")
def made_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], Case]:
    """Makes a case by loading and quantizing."""

    def make(base: Path, config: str) -> Case:
        folder = tmp_path_factory.mktemp("case")
        text = f"version: 1\nmodels:\n  - name: case\n    {config}\n"
        parsed = parse_config(text, "coral.yml").models[0]
        model = load_model(parsed, PathRules(base), folder / "float.tflite")
        quantize_model(parsed, model, PathRules(base), folder / "int8.tflite")
        return Case(base, config, model, folder / "int8.tflite")

    return make


@pytest.fixture(scope="session")
def digits_case(digits: Path, made_case: Callable[[Path, str], Case]) -> Case:
    """The example."""
    return made_case(
        digits,
        "source: saved_model\n    calibration: {images: data/calibration, samples: 100}\n"
        "    preprocess: {mean: 127.5, std: 127.5}",
    )


@pytest.fixture(scope="session")
def kws(corpus: Path, made_case: Callable[[Path, str], Case]) -> Case:
    """Keyword spotting, a SavedModel."""
    return made_case(
        corpus / "cases/tiny_kws_savedmodel",
        "source: model\n    calibration: {npy: calibration.npy}",
    )


@pytest.fixture(scope="session")
def dnn(corpus: Path, made_case: Callable[[Path, str], Case]) -> Case:
    """Keyword spotting, a frozen graph cut behind its audio front end."""
    return made_case(
        corpus / "cases/kws_dnn_s_pb",
        "source: model/DNN_S.pb\n    inputs: {Mfcc: [1, 25, 10]}\n"
        "    outputs: [labels_softmax]\n    calibration: {npy: calibration.npy}",
    )
