"""Which models are unchanged, asked of real Git repositories, hostile ones included."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from coral_action.config.loader import load_config
from coral_action.config.paths import PathRules
from coral_action.errors import UsageError
from coral_action.provenance import model_hash, sha256_of, tool_versions
from coral_action.report.model import Report
from coral_action.scale import Changes, carry_over, find_changes, make_plan, unchanged

CONFIG = """\
version: 1
models:
  - name: a
    source: models/a.keras
    calibration: {images: data/calibration}
    evaluation: {images: data/test/*.png, labels: labels.csv}
  - name: b
    source: models/b
    calibration: {images: list.txt}
  - name: c
    source: c.onnx
    calibration: {python: "feed.py:samples"}
  - name: d
    source: d.tflite
    calibration: {npz: linked/d.npz}
"""
FILES = {
    "models/a.keras": "a",
    "models/b/saved_model.pb": "b",
    "data/calibration/0.png": "0",
    "data/test/1.png": "1",
    "labels.csv": "1.png,0",
    "list.txt": "other/2.png\n",
    "other/2.png": "2",
    "other/3.png": "3",
    "c.onnx": "c",
    "feed.py": "",
    "d.tflite": "d",
    "real/d.npz": "d",
    "README.md": "words",
}


def git(folder: Path, *words: str) -> str:
    settings = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *settings, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with four models; coral.yml lies below its top."""
    folder = tmp_path / "repository" / "quantize"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "coral.yml").write_text(CONFIG)
    (folder / "linked").symlink_to("real")
    git(folder.parent, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "one")
    return folder


def report(project: Path) -> Report:
    """What a run over the project reports."""
    config = load_config(project / "coral.yml")
    models = [
        {
            "name": model.name,
            "status": "ok",
            "source": {
                "path": model.source,
                "sha256": ""
                if model.source.startswith("download:")
                else sha256_of(project / model.source),
            },
            "config_sha256": model_hash(model, config),
            "placement": {
                "origin": "predicted",
                "edge_tpu": 1,
                "cpu": 0,
                "subgraphs": 1,
                "operators": [],
            },
            "files": {"int8": f"out/{model.name}_int8.tflite"},
        }
        for model in config.models
    ]
    return Report.from_data({"schema_version": 1, "tool": tool_versions(), "models": models})


def same(project: Path, before: Report, *, compiled: bool | None = False) -> str:
    """Names of the models that are unchanged since the first commit, in one word."""
    changes = find_changes(project / "coral.yml", "HEAD", None)
    assert changes is not None
    config = load_config(project / "coral.yml")
    found = unchanged(config, PathRules(project), changes, before, compiled=compiled)
    return "".join(sorted(found))


def test_nothing_changed(project: Path) -> None:
    """But the user's code may read anything."""
    assert same(project, report(project)) == "abd"


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("README.md", "abd"),
        ("models/a.keras", "bd"),
        ("models/b/saved_model.pb", "ad"),
        ("data/calibration/0.png", "bd"),
        ("data/test/1.png", "bd"),
        ("labels.csv", "bd"),
        ("list.txt", "ad"),
        ("other/2.png", "ad"),  # named by the list
        ("other/3.png", "abd"),
        ("real/d.npz", "ab"),  # behind a link
    ],
)
@pytest.mark.parametrize("committed", [False, True])
def test_a_file_changed(path: str, left: str, committed: bool, project: Path) -> None:
    before = report(project)
    (project / path).write_text(FILES[path] + " changed")
    assert same(project, before) == left
    if committed:
        git(project, "commit", "--quiet", "--all", "--message", "two")
        changes = find_changes(project / "coral.yml", "HEAD~1", None)
        assert changes is not None
        config = load_config(project / "coral.yml")
        found = unchanged(config, PathRules(project), changes, before, compiled=False)
        assert "".join(sorted(found)) == left


def test_files_that_come_go_or_are_unknown_to_git(project: Path) -> None:
    before = report(project)
    new = project / "data" / "test" / "new.png"
    new.touch()
    assert same(project, before) == "bd"
    (project / ".gitignore").write_text("*.png\n")  # ignored: nobody can tell whether it changed
    assert same(project, before) == "bd"
    new.unlink()
    (project / "data" / "calibration" / "0.png").unlink()
    assert same(project, before) == "bd"


def test_a_part_of_the_config_changed(project: Path) -> None:
    """Only the model that it is about; comments and ignored findings aside."""
    before = report(project)
    path = project / "coral.yml"
    path.write_text("# words\n" + CONFIG.replace("source: d.tflite", "source: d.tflite # d"))
    assert same(project, before) == "abd"
    path.write_text(CONFIG.replace("{npz: linked/d.npz}", "{npz: linked/d.npz, samples: 3}"))
    assert same(project, before) == "ab"
    path.write_text(CONFIG + "ignore: [CQ101]\n")
    assert same(project, before) == ""


def test_weights_beside_a_model(project: Path) -> None:
    """A SavedModel can be named by its file, and the weights of ONNX may be a file of their own."""
    path = project / "coral.yml"
    text = CONFIG.replace("source: models/b", "source: models/b/saved_model.pb")
    path.write_text(text.replace("source: d.tflite", "source: models/b/d.onnx"))
    (project / "models" / "b" / "d.onnx").write_text("onnx")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "two")
    before = report(project)
    assert same(project, before) == "abd"
    (project / "models" / "b" / "variables").write_text("weights")
    assert same(project, before) == "a"


def test_a_baseline_that_does_not_hold(project: Path) -> None:
    before = report(project)
    assert same(project, before, compiled=True) == ""
    assert same(project, before, compiled=None) == "abd"
    other = before.model_copy(update={"tool": {**before.tool, "tensorflow": "1.0"}})
    assert same(project, other) == ""
    broken = before.models[0].model_copy(update={"status": "failed"})
    assert same(project, before.model_copy(update={"models": [broken]})) == ""
    # A baseline of another commit than the one that is asked about: the source tells.
    (project / "models" / "a.keras").write_text("newer")
    git(project, "commit", "--quiet", "--all", "--message", "two")
    assert same(project, before) == "bd"


def test_a_list_of_files_from_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(project.parent)
    listed = tmp_path / "changed"
    listed.write_bytes(b"quantize/labels.csv\0quantize/other/2.png\0")
    changes = find_changes(project / "coral.yml", None, listed)
    assert changes is not None
    config = load_config(project / "coral.yml")
    rules = PathRules(project)
    assert unchanged(config, rules, changes, report(project), compiled=None) == {"d"}
    with pytest.raises(UsageError, match="exclude each other"):
        find_changes(project / "coral.yml", "HEAD", listed)
    assert find_changes(project / "coral.yml", None, None) is None


def test_what_lies_elsewhere_counts_as_changed(tmp_path: Path) -> None:
    changes = Changes.of(tmp_path, ["a/b/c", "submodule"])
    touched = {
        "a": True,
        "a/b": True,
        "a/b/c": True,
        "a/b/c/d": True,
        "a/bc": False,
        "submodule/model": True,
        ".": True,
        "..": True,
    }
    assert {name: changes.touch((tmp_path / name).resolve()) for name in touched} == touched


@pytest.mark.parametrize("reference", ["nowhere", "--output=/tmp/x", "-h", "HEAD:coral.yml", ""])
def test_no_such_commit(reference: str, project: Path) -> None:
    with pytest.raises(UsageError, match="no such commit"):
        find_changes(project / "coral.yml", reference, None)


def test_no_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="git rev-parse failed"):
        find_changes(tmp_path / "coral.yml", "HEAD", None)


def test_no_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(UsageError, match="needs Git") as raised:
        find_changes(project / "coral.yml", "HEAD", None)
    assert "--changed-files" in raised.value.hint


def test_nothing_of_a_hostile_repository_runs(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings name programs; plain Git would start them, which the control shows."""
    trap, sprung = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(f"#!/bin/sh\necho $0 $GITHUB_TOKEN >>{sprung}\ncat 2>/dev/null\n")
    trap.chmod(0o755)
    hooks = project.parent / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for hook in ("post-index-change", "fsmonitor-watchman"):
        (hooks / hook).write_text(trap.read_text())
        (hooks / hook).chmod(0o755)
    for name in ("core.fsmonitor", "diff.external", "diff.trap.textconv", "core.pager"):
        git(project, "config", name, str(trap))
    (project.parent / ".gitattributes").write_text("*.keras diff=trap\n")
    (project / "models" / "a.keras").write_text("changed")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(trap))
    before = report(project)
    assert not sprung.exists()
    found = find_changes(project / "coral.yml", "HEAD", None)
    assert found is not None
    assert "quantize/models/a.keras" in found.paths
    assert not sprung.exists()
    assert same(project, before) == "bd"
    git(project, "diff", "HEAD")
    assert sprung.exists()


def test_carried_over_models_are_marked(project: Path) -> None:
    before = report(project)
    order = {"sha256": "c" * 64, "models": ["a", "b", "c", "d"]}
    now = before.model_copy(update={"models": [before.models[1]]})
    now = Report.from_data({**now.to_json(), "config": order, "config_file": "quantize/coral.yml"})
    whole = carry_over(now, before, {"a", "d"}, project / "coral.yml")
    marks = [(m.name, m.carried_over, m.line, m.files.int8) for m in whole.models]
    assert marks == [
        ("a", True, 3, None),
        ("b", None, 7, "out/b_int8.tflite"),
        ("d", True, 13, None),
    ]
    assert "carried over from the baseline" in _markdown(whole)
    assert json.dumps(whole.to_json()).count("carried_over") == 2
    assert carry_over(now, before, (), project / "coral.yml") is now


def _markdown(whole: Report) -> str:
    from coral_action.report import markdown

    return markdown.render(whole)


DOWNLOADED = """\
version: 1
downloads:
  net: {url: https://example.org/net.keras, sha256: %s}
  data: {url: https://example.org/data.npy, sha256: %s}
models:
  - {name: a, source: "download:net", calibration: {npy: "download:data"}}
  - {name: b, source: models/a.keras, calibration: {npy: "download:data"}}
  - {name: d, source: d.tflite, calibration: {npz: linked/d.npz}}
"""


def test_downloads_count_by_their_sha256(project: Path) -> None:
    """They need not be here; which file a name stands for is said beside the models."""
    path = project / "coral.yml"
    path.write_text(DOWNLOADED % ("a" * 64, "b" * 64))
    before = report(project)
    assert same(project, before) == "abd"
    plan = make_plan(load_config(path), PathRules(project), baseline=before, max_jobs=2, shortest=0)
    assert not any(model.changed for model in plan.models)
    path.write_text(DOWNLOADED % ("a" * 64, "c" * 64))
    assert same(project, before) == "d"
    path.write_text(DOWNLOADED % ("c" * 64, "b" * 64))
    assert same(project, before) == "bd"


def test_what_is_compiled_together_is_carried_over_together(project: Path) -> None:
    """A compiled model has what the others of its group leave of the chip's memory."""
    path = project / "coral.yml"
    text = CONFIG.replace("    source: models", "    edge_tpu: {group: pair}\n    source: models")
    path.write_text(text)
    (project / "models" / "b" / "saved_model.pb").write_text("changed")
    before = report(project)
    compiled = [
        model.model_copy(
            update={"placement": model.placement.model_copy(update={"origin": "compiler"})}
        )
        for model in before.models
        if model.placement
    ]
    assert same(project, before) == "ad"  # a prediction looks at each model alone
    assert same(project, before.model_copy(update={"models": compiled}), compiled=True) == "d"
