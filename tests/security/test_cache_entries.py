"""Entries of a cache that somebody prepared: they name no file but those that a stage makes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coral_action.cache import Cache, key_of
from coral_action.config.loader import parse_config
from coral_action.edgetpu import Compiled, CompiledModel, kept
from coral_action.kept_stages import KeptStages

KEY = key_of("compilation", {})
TEXT = "version: 1\nmodels: [{name: m, source: m.keras, calibration: {npy: x.npy}}]\n"
PRECIOUS = "of somebody else"
OURS = ("m_int8_edgetpu.log", "m_int8_edgetpu.tflite")
KEYS: Any = SimpleNamespace(
    compilation=lambda *given: KEY, quantization=lambda *given, **options: KEY
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    (folder / "m_int8.tflite").write_bytes(b"int8")
    return folder


@pytest.fixture
def cache(output: Path, monkeypatch: pytest.MonkeyPatch) -> Cache:
    """A cache with the compilation of one model."""
    monkeypatch.setattr(kept, "read_compiled", lambda path: CompiledModel(1, "16.0", (), ()))
    made = output.parent / "made"
    made.mkdir()
    for name in OURS:
        (made / name).write_text(f"made: {name}")
    compiled = Compiled(made / OURS[1], made / OURS[0], "16.0", (made / OURS[1],))
    found = Cache(output.parent / "cache")
    stages = stages_of(found)
    assert stages.compilation(Path("compiler"), [output / "m_int8.tflite"]) is None
    stages.keep_compilation([compiled])
    return found


def stages_of(cache: Cache) -> KeptStages:
    return KeptStages(parse_config(TEXT, "coral.yml").models[0], cache, KEYS)


def compilation(cache: Cache, output: Path) -> Any:
    return stages_of(cache).compilation(Path("compiler"), [output / "m_int8.tflite"])


def change(cache: Cache, files: dict[str, str], **said: Any) -> None:
    """The entry with other files, whose hashes are right, and other data of the model."""
    (index,) = cache.folder.rglob("entry.json")
    held = json.loads(index.read_text())
    for name, content in files.items():
        (index.parent / name).write_text(content)
        held["files"][name] = hashlib.sha256(content.encode()).hexdigest()
    held["data"]["models"][0].update(said)
    index.write_text(json.dumps(held))


def test_what_a_run_left_is_put_back(cache: Cache, output: Path) -> None:
    (compiled,) = compilation(cache, output)
    assert compiled.path == output / OURS[1] == compiled.paths[0]
    assert compiled.log.read_text() == f"made: {OURS[0]}"
    assert sorted(path.name for path in output.iterdir()) == ["m_int8.tflite", *OURS]


@pytest.mark.parametrize(
    "name", ["notes.md", "evil", "m_int8.tflite", "other_int8_edgetpu.tflite", "m_labels.txt"]
)
@pytest.mark.parametrize("named", [False, True])
def test_no_other_file_is_put_back(cache: Cache, output: Path, name: str, named: bool) -> None:
    (output / "notes.md").write_text(PRECIOUS)
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    said = {"paths": [OURS[1], name]} if named else {}
    change(cache, {name: "chosen by the pull request"}, **said)
    assert compilation(cache, output) is None
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


@pytest.mark.parametrize("kind", ["path", "log", "paths"])
@pytest.mark.parametrize("value", ["../m_int8.tflite", "m_int8.tflite", "notes.md", None, 1, [[]]])
def test_the_log_and_models_are_those_of_the_entry(
    cache: Cache, output: Path, kind: str, value: Any
) -> None:
    """Another name would put a file of the output folder into the report, or the parent's hands."""
    (output / "notes.md").write_text(PRECIOUS)
    change(cache, {}, **{kind: [value] if kind == "paths" else value})
    assert compilation(cache, output) is None


def test_links_where_files_are_put_are_not_followed(cache: Cache, output: Path) -> None:
    outside = output.parent / "outside"
    outside.write_text(PRECIOUS)
    for name in OURS:
        (output / name).symlink_to(outside)
        (output / f"{name}.part").symlink_to(outside)
    assert compilation(cache, output) is not None
    assert outside.read_text() == PRECIOUS
    assert not any((output / name).is_symlink() for name in OURS)


def test_a_name_of_a_half_written_file_is_not_followed(
    cache: Cache, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The int8 model, too, is written beside and renamed, where nobody could have been before."""
    outside, target = output.parent / "outside", output / "m_int8.tflite"
    outside.write_text(PRECIOUS)
    target.with_name("m_int8.tflite.part").symlink_to(outside)
    target.unlink()
    target.symlink_to(outside)
    made = output.parent / "made" / "int8.tflite"
    made.write_bytes(b"int8 of the cache")
    monkeypatch.setattr(
        "coral_action.kept_stages.Int8Model.from_json", lambda data, path: Made(path)
    )
    monkeypatch.setattr("coral_action.kept_stages.replace", lambda found, path: Made(path))
    (output.parent / "scratch").mkdir()
    cache.store(KEY, {}, {"int8.tflite": made})
    found: Any = stages_of(cache).quantization(None, output.parent / "scratch", target)  # type: ignore[arg-type]
    assert found.path == target and target.read_bytes() == b"int8 of the cache"
    assert outside.read_text() == PRECIOUS and not target.is_symlink()


class Made:
    """Stands for an int8 model."""

    def __init__(self, path: Path) -> None:
        self.path = path
