"""Keys of stages: each setting is in the key of every stage that it can change, and in no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coral_action.config.paths import PathRules
from coral_action.config.schema import ModelConfig
from coral_action.file_index import FileIndex
from coral_action.loading import FloatModel, TensorSpec
from coral_action.stage_keys import StageKeys

STAGES = ("loading", "quantization", "compilation", "evaluation")
MODEL = {
    "name": "m",
    "source": "model.pb",
    "inputs": {"x": [1, 4]},
    "calibration": {"npy": "c.npy"},
    "evaluation": {"npy": "e.npy"},
}
LATER = ("quantization", "evaluation")
# For every key of a model: another value, and the stages that it can change by itself.
SETTINGS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "name": ("other", ()),
    "source": ("other.pb", ("loading",)),
    "signature": ("serve", ("loading",)),
    "inputs": ({"x": [1, 5]}, ("loading",)),
    "input_shapes": ({"y": [1, 4]}, ("loading",)),
    "outputs": (["y"], ("loading",)),
    "constants": ({"training": False}, ("loading",)),
    "calibration": ({"npy": "c.npy", "seed": 1}, ("quantization",)),
    "preprocess": ({"expect": [0, 1]}, LATER),
    "ranges": ({"x": [0.0, 1.0]}, ("quantization",)),
    "quantization": ({"io": "uint8"}, ("quantization",)),
    "evaluation": ({"npy": "e.npy", "samples": 3}, ("evaluation",)),
    "edge_tpu": ({"segments": 2}, ("compilation",)),
    "limits": ({"accuracy_drop": 2.0, "int8_size": 5, "cpu_operators": 1}, ()),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("model.pb", "other.pb", "c.npy", "e.npy", "float", "int8", "compiler"):
        (tmp_path / name).write_text(name)
    return tmp_path


def keys(folder: Path, custom_code: bool = False, **settings: Any) -> dict[str, str | None]:
    """The key of each stage."""
    config = ModelConfig.model_validate({**MODEL, **settings})
    made = StageKeys(PathRules(folder), FileIndex(), allow_custom_code=custom_code)
    specs = (TensorSpec("x", (1, 4), "float32"),)
    model = FloatModel(folder / "float", "frozen_graph", specs, specs)
    return {
        "loading": made.loading(config),
        "quantization": made.quantization(config, model),
        "compilation": made.compilation(folder / "compiler", [folder / "int8"], config.edge_tpu),
        "evaluation": made.evaluation(config, model, folder / "int8"),
    }


def changed(before: dict[str, str | None], after: dict[str, str | None]) -> tuple[str, ...]:
    return tuple(stage for stage in STAGES if before[stage] != after[stage])


def test_every_setting_of_a_model_is_thought_of() -> None:
    """A new key of coral.yml has to be put into the key of the stage that it changes."""
    after_all_stages = {"metadata"}  # written into the files when they are made
    assert set(ModelConfig.model_fields) - after_all_stages == set(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_setting_changes_the_stages_that_it_can_change(folder: Path, name: str) -> None:
    value, stages = SETTINGS[name]
    assert changed(keys(folder), keys(folder, **{name: value})) == stages


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("model.pb", ("loading",)),
        ("c.npy", ("quantization",)),
        ("e.npy", ("evaluation",)),
        ("float", LATER),
        ("int8", ("compilation", "evaluation")),
        ("compiler", ("compilation",)),
        ("other.pb", ()),
    ],
)
def test_file_changes_the_stages_that_read_it(
    folder: Path, file: str, stages: tuple[str, ...]
) -> None:
    before = keys(folder)
    (folder / file).write_text("changed")
    assert changed(before, keys(folder)) == stages


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr("coral_action.provenance.platform.machine", lambda: "riscv64"),
        lambda patch: patch.setattr("coral_action.provenance.__version__", "9.9.9"),
        lambda patch: patch.setattr("coral_action.provenance._installed", lambda names: {}),
    ],
    ids=["machine", "this program", "libraries"],
)
def test_tools_change_every_stage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[pytest.MonkeyPatch], None]
) -> None:
    before = keys(folder)
    change(monkeypatch)
    assert changed(before, keys(folder)) == STAGES


def test_the_level_of_a_limit_s_interval_counts(folder: Path) -> None:
    """The interval itself is part of the accuracy; what it is held against is not."""
    limits = {"accuracy_drop": {"max": 1.0, "confidence": 0.9}}
    assert changed(keys(folder), keys(folder, limits=limits)) == ("evaluation",)


def test_reference_original_depends_on_the_source(folder: Path) -> None:
    settings = {"evaluation": {"npy": "e.npy", "reference": "original"}}
    before = keys(folder, **settings)
    (folder / "model.pb").write_text("changed")
    assert changed(before, keys(folder, **settings)) == ("loading", "evaluation")
    assert keys(folder, custom_code=True, **settings)["evaluation"] is None


def test_missing_files_have_no_key(folder: Path) -> None:
    for name in ("model.pb", "c.npy", "compiler"):
        (folder / name).unlink()
    found = keys(folder)
    assert (found["loading"], found["compilation"]) == (None, None)


def test_saved_model_pb_stands_for_its_folder(folder: Path) -> None:
    (folder / "sm/variables").mkdir(parents=True)
    for name in ("sm/saved_model.pb", "sm/variables/variables.data"):
        (folder / name).write_text(name)
    before = keys(folder, source="sm/saved_model.pb")
    (folder / "sm/variables/variables.data").write_text("trained again")
    assert changed(before, keys(folder, source="sm/saved_model.pb")) == ("loading",)


@pytest.mark.parametrize(
    ("kind", "content", "custom_code", "expected"),
    [
        ("onnx", b"\x0a\x08location\x12\x07weights", False, True),
        ("onnx", b"all of it is here", False, False),
        ("keras", b"x", True, True),
        ("keras", b"x", False, False),
        ("tflite", b"x", True, False),
    ],
)
def test_what_may_read_more_is_not_kept(
    folder: Path, kind: str, content: bytes, custom_code: bool, expected: bool
) -> None:
    (folder / "model.pb").write_bytes(content)
    made = StageKeys(PathRules(folder), FileIndex(), allow_custom_code=custom_code)
    model = FloatModel(folder / "float", kind, (), ())
    assert made.may_read_more(ModelConfig.model_validate(MODEL), model) is expected
