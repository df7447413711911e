"""What looks wrong is said, by name; what is right raises nothing."""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_specs import Spec
from PIL import Image

from coral_action.config.data_schema import (
    CalibrationConfig,
    DataSection,
    EvaluationConfig,
    PreprocessConfig,
)
from coral_action.config.paths import PathRules
from coral_action.data import Samples, SampleStatistics, compare, diagnose, open_samples
from coral_action.data.preprocess import profile_of
from coral_action.errors import DataError
from coral_action.findings import Finding

Open = Callable[..., Samples]
IMAGE = Spec("image", (1, 28, 28, 1))
PRESET = {"preset": "keras.mobilenet", "resize": [28, 28]}


def collected(samples: Samples) -> SampleStatistics:
    statistics = SampleStatistics(samples.profile)
    for sample in samples:
        statistics.add(sample)
    statistics.add_bad_files(samples.bad_files)
    return statistics


def ids(findings: Sequence[Finding]) -> list[str]:
    return [finding.id for finding in findings]


def example(
    digits: Path, preprocess: dict[str, Any], *, evaluation: bool = False, spec: Spec = IMAGE
) -> SampleStatistics:
    data = (
        {"images": "data/test", "labels": "folders"}
        if evaluation
        else {"images": "data/calibration", "labels": "folders"}
    )
    section: type[DataSection] = EvaluationConfig if evaluation else CalibrationConfig
    return collected(
        open_samples(
            section.model_validate(data),  # type: ignore[arg-type]
            PreprocessConfig.model_validate(preprocess),
            PathRules(digits, digits),
            [spec],
        )
    )


def test_the_example_as_it_is_raises_nothing(digits: Path) -> None:
    for preprocess in (PRESET, {"mean": 127.5, "std": 127.5, "expect": [-1, 1]}):
        calibration = example(digits, preprocess)
        evaluation = example(digits, preprocess, evaluation=True)
        assert diagnose(calibration) == diagnose(evaluation) == []
        assert compare(calibration, evaluation) == []


@pytest.mark.parametrize(
    ("preprocess", "by"),
    [
        ({"preset": "keras.mobilenet", "mean": 0, "std": 1}, "the preset keras.mobilenet"),
        ({"expect": [-1, 1]}, "preprocess.expect"),
    ],
)
def test_0_to_255_where_minus_1_to_1_is_meant(
    preprocess: dict[str, Any], by: str, digits: Path
) -> None:
    (finding,) = diagnose(example(digits, preprocess))
    assert finding.id == "CQ301"
    assert finding.severity == "warning"
    assert finding.message == (
        f"calibration: input image is fed values from 0 to 255, but {by} means -1 to 1"
    )
    assert "not scaled" in finding.advice
    assert (digits / "data/calibration" / str(finding.sample)).is_file()


def test_a_part_of_the_expected_range_is_not_enough(digits: Path) -> None:
    """[0, 1] where [-1, 1] is meant stays inside, but fills half of it."""
    (finding,) = diagnose(example(digits, {"preset": "0-1", "expect": [-1, 1]}))
    assert finding.id == "CQ301"
    assert "from 0 to 1" in finding.message


def test_unscaled_pixels_that_nobody_declared(digits: Path) -> None:
    assert ids(diagnose(example(digits, {}))) == ["CQ302"]
    assert diagnose(example(digits, {"preset": "raw"})) == []
    assert diagnose(example(digits, {}, spec=Spec("image", (1, 28, 28, 1), "uint8"))) == []


def test_calibration_and_evaluation_scaled_differently(digits: Path) -> None:
    calibration = example(digits, PRESET)
    evaluation = example(digits, {"preset": "0-1"}, evaluation=True)
    assert ids(compare(calibration, evaluation)) == ["CQ309"]


def test_shared_files_are_named(digits: Path) -> None:
    calibration = example(digits, PRESET)
    (finding,) = compare(calibration, calibration)
    assert finding.id == "CQ308"
    assert finding.message.startswith("100 of 100 evaluation samples")
    assert str(finding.sample) in {record.name for record in calibration.records}


def images(folder: Path, **arrays: np.ndarray) -> None:
    folder.mkdir()
    for name, array in arrays.items():
        Image.fromarray(array).save(folder / f"{name}.png")


def waves(number: int) -> np.ndarray:
    y, x = np.mgrid[:32, :32]
    return (127 + 120 * np.sin(x / 6 + number) * np.cos(y / 5 + number)).astype(np.uint8)


def test_constant_duplicate_and_noisy_images_are_named(tmp_path: Path, opened: Open) -> None:
    noise = np.random.default_rng(8).integers(0, 256, (32, 32), dtype=np.uint8)
    good = {f"good{number}": waves(number) for number in range(8)}
    black = np.zeros((32, 32), np.uint8)
    images(tmp_path / "in", **good, black=black, noise=noise, again=waves(3))
    samples = opened({"images": "in"}, (1, 32, 32, 1), preprocess={"preset": "0-1"})
    found = {finding.id: finding for finding in diagnose(collected(samples))}
    assert found.keys() == {"CQ303", "CQ304", "CQ305"}
    assert found["CQ303"].sample == "black.png"
    assert "again.png = good3.png" in found["CQ304"].message
    assert found["CQ305"].sample == "noise.png"


def test_a_preset_says_nothing_of_numbers_beside_an_image() -> None:
    preset = PreprocessConfig(preset="keras.mobilenet")
    state = Spec("state", (1, 4))
    assert profile_of(preset, state, from_images=False).expected is None
    assert profile_of(preset, IMAGE, from_images=False).expected == (-1, 1)
    expect = PreprocessConfig(preset="keras.mobilenet", expect=[0, 9])
    assert profile_of(expect, state, from_images=False).expected == (0, 9)


def test_silent_and_loud_clips(tmp_path: Path, opened: Open) -> None:
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(5)
    for number in range(12):
        level = {3: 0, 7: 30_000}.get(number, 4000)
        with wave.open(str(tmp_path / "in" / f"{number:02}.wav"), "wb") as file:
            file.setparams((1, 2, 16000, 0, "NONE", ""))
            file.writeframes((rng.uniform(-1, 1, 800) * level).astype("<i2").tobytes())
    found = {f.id: f for f in diagnose(collected(opened({"wav": "in"}, (1, 800))))}
    assert found.keys() == {"CQ303", "CQ306"}
    assert found["CQ303"].sample == "03.wav"
    assert found["CQ306"].sample == "07.wav"


def test_the_silent_clips_of_a_real_dataset_are_found(corpus: Path) -> None:
    """Their spectrograms reach to -124, others to -64: they stretch the scale 2.7 times."""
    cases = corpus / "cases"
    spec = Spec("in", (1, 49, 10, 1))
    samples = open_samples(
        CalibrationConfig(npy="tiny_kws_savedmodel/calibration.npy"),
        PreprocessConfig(),
        PathRules(cases, cases),
        [spec],
    )
    array = np.load(cases / "tiny_kws_savedmodel" / "calibration.npy")
    silent = [i for i, clip in enumerate(array) if clip.min() < -100]
    assert 0 < len(silent) < 10
    (finding,) = diagnose(collected(samples))
    assert finding.id == "CQ306"
    for index in silent:
        assert f"calibration.npy[{index}]" in finding.message


def test_photographs_raise_nothing(corpus: Path) -> None:
    cases = corpus / "cases"
    samples = open_samples(
        CalibrationConfig(images="images"),
        PreprocessConfig(preset="keras.mobilenet"),
        PathRules(cases, cases),
        [Spec("in", (1, 224, 224, 3))],
    )
    assert diagnose(collected(samples)) == []


def test_class_imbalance(tmp_path: Path, opened: Open) -> None:
    x = np.random.default_rng(2).normal(size=(44, 6)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.r_[np.zeros(40), np.ones(4)].astype(int))
    samples = opened({"npz": "d.npz"}, (1, 6), evaluation=True)
    (finding,) = diagnose(collected(samples))
    assert finding.id == "CQ307"
    assert "class 1: 4" in finding.message
    np.savez(tmp_path / "d.npz", x=x, y=np.r_[np.zeros(39), np.ones(5)].astype(int))
    assert diagnose(collected(opened({"npz": "d.npz"}, (1, 6), evaluation=True))) == []


def test_skipped_files_are_named_and_limited_over_all_workers(tmp_path: Path, opened: Open) -> None:
    images(tmp_path / "in", **{f"good{number}": waves(number) for number in range(4)})
    for name in ("x.png", "y.png"):
        (tmp_path / "in" / name).write_bytes(b"")
    data = {"images": "in", "max_bad_files": 1, "shuffle": False}
    samples = opened(data, (1, 32, 32, 1), preprocess={"preset": "0-1"})
    merged = collected(samples.shard(0, 2))
    merged.merge(collected(samples.shard(1, 2)))
    assert ids(diagnose(merged)) == ["CQ310"]
    with pytest.raises(DataError, match=r"2 files can't be decoded, but max_bad_files is 1"):
        merged.refuse_bad_files()


def test_facts_are_those_of_the_arrays(tmp_path: Path, opened: Open) -> None:
    x = np.random.default_rng(6).normal(2, 3, size=(20, 9, 8, 3)).astype(np.float32)
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(20) % 4)
    samples = opened({"npz": "d.npz"}, (1, 9, 8, 3), evaluation=True)
    facts = collected(samples).facts()
    assert facts["samples"] == 20
    assert facts["classes"] == {"0": 5, "1": 5, "2": 5, "3": 5}
    assert facts["manifest"] == samples.manifest()
    (input_facts,) = facts["inputs"]
    assert input_facts["low"] == x.min()
    assert input_facts["high"] == x.max()
    for channel, got in enumerate(input_facts["channels"]):
        values = x[..., channel].astype(np.float64)
        expected = (values.min(), values.max(), values.mean(), values.std())
        assert tuple(got.values()) == pytest.approx(expected, rel=1e-5)


def test_merged_workers_say_what_one_says(digits: Path) -> None:
    rules = PathRules(digits, digits)
    samples = open_samples(
        CalibrationConfig(images="data/calibration", samples=50),
        PreprocessConfig(),
        rules,
        [IMAGE],
    )
    whole = collected(samples)
    merged = collected(samples.shard(0, 3))
    for index in (1, 2):
        # Through JSON, as it comes from a child process.
        text = json.dumps(collected(samples.shard(index, 3)).to_json())
        merged.merge(SampleStatistics.from_json(json.loads(text)))
    assert merged.manifest() == whole.manifest() == samples.manifest()
    assert ids(diagnose(merged)) == ids(diagnose(whole)) == ["CQ302"]
    one, other = whole.facts()["inputs"][0], merged.facts()["inputs"][0]
    assert one["channels"] == other["channels"]
    assert (one["low"], one["high"]) == (other["low"], other["high"])


def test_statistics_survive_json(digits: Path) -> None:
    statistics = example(digits, PRESET, evaluation=True)
    assert SampleStatistics.from_json(json.loads(json.dumps(statistics.to_json()))) == statistics


def test_every_finding_is_documented() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "coral_action/data/diagnosis.py").read_text()
    documented = (root / "docs/findings.md").read_text()
    found = {word.strip('":') for word in text.split() if word.strip('":').startswith("CQ3")}
    named = {word for word in found if len(word.rstrip(",")) == 5 and word.isalnum()}
    assert len(named) >= 10
    for name in named:
        assert f"### {name}\n" in documented
