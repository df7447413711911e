"""Float against int8 over the same samples, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from coral_action.config.data_schema import EvaluationConfig, PreprocessConfig
from coral_action.config.paths import PathRules
from coral_action.data import Sample, open_samples
from coral_action.errors import DataError
from coral_action.evaluation.metrics import METRICS, rank_of
from coral_action.inference import Array, Runner
from coral_action.isolation import ProgressCallback
from coral_action.loading import FloatModel
from coral_action.tflite import read_model


def compare(
    float_runner: Runner, int8_runner: Runner, output: str, samples: Iterable[Sample]
) -> Iterable[tuple[int, int, bool]]:
    """Rank with float, rank with int8, same choice: one sample after the other.

    Raises:
        DataError: if a label is no class of the model.
    """
    for sample in samples:
        scores = [
            np.ravel(runner.run(sample.inputs)[output]) for runner in (float_runner, int8_runner)
        ]
        label = _class_of(sample, scores[0])
        yield (
            rank_of(scores[0], label),
            rank_of(scores[1], label),
            int(np.argmax(scores[0])) == int(np.argmax(scores[1])),
        )


def _class_of(sample: Sample, scores: Array) -> int:
    if sample.label is None or sample.label >= len(scores):
        raise DataError(
            f"evaluation: {sample.name} is of class {sample.label}, but the model has "
            f"{len(scores)} classes, from 0",
            hint="check the labels, and that the first of `outputs` is the one with the classes",
        )
    return sample.label


def evaluate_task(request: dict[str, Any], progress: ProgressCallback) -> dict[str, Any]:
    """The child process's side: run both models over the evaluation data, return the metrics."""
    model = FloatModel.from_json(request["model"])
    config = EvaluationConfig.model_validate(request["evaluation"])
    samples = open_samples(
        config,
        PreprocessConfig.model_validate(request["preprocess"]),
        PathRules.from_json(request["paths"]),
        model.inputs,
    )
    runners = [_runner(model.path), _runner(Path(request["int8"]))]
    results: list[tuple[int, int, bool]] = []
    for result in compare(runners[0], runners[1], model.outputs[0].name, samples):
        results.append(result)
        progress(len(results), len(samples))
    float_ranks, int8_ranks, agree = (np.asarray(column) for column in zip(*results, strict=True))
    return {
        "samples": len(results),
        "agreement": float(agree.mean()),
        "metrics": [
            {"name": name, "float": METRICS[name](float_ranks), "int8": METRICS[name](int8_ranks)}
            for name in config.metrics
        ],
    }


def _runner(path: Path) -> Runner:
    model = read_model(path)
    return Runner(path, model.input_names(), model.output_names())
