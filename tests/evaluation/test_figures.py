"""The figures of real models, held against a plain script that shares nothing with us."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from .conftest import Case

SCRIPT = Path(__file__).resolve().parents[2] / "bench" / "plain_accuracy.py"


def plain(case: Case, *arguments: str) -> list[dict]:
    command = [sys.executable, str(SCRIPT), *arguments, str(case.model.path), str(case.int8)]
    result = subprocess.run(command, cwd=case.base, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def check(case: Case, evaluation: str, arguments: list[str]) -> tuple[float, float]:
    accuracy = case.evaluate(evaluation)
    float_plain, int8_plain = plain(case, *arguments)
    (top1, *_) = accuracy.metrics
    assert accuracy.samples == float_plain["samples"]
    assert (top1.float_value, top1.int8_value) == (float_plain["top1"], int8_plain["top1"])
    chosen = np.array([float_plain["chosen"], int8_plain["chosen"]])
    assert accuracy.agreement == np.mean(chosen[0] == chosen[1])
    assert accuracy.flips is not None
    flipped = accuracy.flips.lost + accuracy.flips.gained + accuracy.flips.changed
    assert flipped == np.sum(chosen[0] != chosen[1])
    assert accuracy.flips.lost - accuracy.flips.gained == round(top1.drop / 100 * accuracy.samples)
    return top1.float_value, top1.int8_value


def test_keyword_spotting(kws: Case) -> None:
    top1, _ = check(kws, "{npz: evaluation.npz}", ["--npz", "evaluation.npz"])
    assert top1 == pytest.approx(0.919, abs=5e-4)


def test_keyword_spotting_frozen_graph(dnn: Case) -> None:
    top1, _ = check(dnn, "{npz: evaluation.npz}", ["--npz", "evaluation.npz"])
    assert top1 == pytest.approx(0.781, abs=5e-4)


def test_digits(digits_case: Case) -> None:
    arguments = ["--images", "data/test", "--mean", "127.5", "--std", "127.5"]
    check(digits_case, "{images: data/test, labels: folders}", arguments)
