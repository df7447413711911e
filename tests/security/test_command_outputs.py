"""Files that commands write beside the main job: no link that a branch prepared is followed."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from harness import Command

PRECIOUS = "of another step"


@pytest.fixture
def workspace(tmp_path: Path, digits: Path) -> Path:
    folder = tmp_path / "workspace"
    shutil.copytree(digits, folder, ignore=shutil.ignore_patterns("*.py", "frozen.pb", "*.keras"))
    report = {"schema_version": 1, "tool": {}, "models": []}
    (folder / "report.json").write_text(json.dumps(report))
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "precious").write_text(PRECIOUS)
    return folder


CONFIG = "version: 1\nmodels: [{name: m, source: saved_model, calibration: {images: data/test}}]\n"


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("plan", "--output", "plan.json"), "plan.json"),
        (("report", "report.json", "--format", "markdown", "--output", "out.md"), "out.md"),
        (("init", "--yes", "--force", "--no-workflow"), "coral.yml"),
    ],
    ids=["plan", "report", "init"],
)
@pytest.mark.parametrize("target", ["precious", "new"])
def test_links_are_replaced(
    workspace: Path, outside: Path, command: Command, words: tuple[str, ...], name: str, target: str
) -> None:
    (workspace / "coral.yml").write_text(CONFIG)
    (workspace / name).unlink(missing_ok=True)
    (workspace / name).symlink_to(outside / target)
    finished = command(*words, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 0, finished.stderr
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"precious": PRECIOUS}
    assert (workspace / name).stat().st_size > 0 and not (workspace / name).is_symlink()


def test_init_stays_in_its_folder(workspace: Path, outside: Path, command: Command) -> None:
    (workspace / "coral.yml").unlink()
    (workspace / ".github").symlink_to(outside)
    finished = command("init", "--yes", cwd=workspace)
    assert finished.code == 2
    assert "a link on the way leads out" in finished.stderr
    assert [path.name for path in outside.iterdir()] == ["precious"]
    assert not (workspace / "coral.yml").exists()
    (workspace / "coral.yml").symlink_to(outside / "new")  # leads nowhere yet, but is there
    assert "is there already" in command("init", "--yes", cwd=workspace).stderr


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/null", "pipe"])
def test_what_a_user_names_may_be_no_file(workspace: Path, command: Command, name: str) -> None:
    """A device must not be replaced by a file: root could do that."""
    os.mkfifo(workspace / "pipe")
    reader = os.open(workspace / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    words = ("report", "report.json", "--format", "markdown", "--output", name)
    finished = command(*words, cwd=workspace)
    said = os.read(reader, 10) if name == "pipe" else finished.stdout
    os.close(reader)
    assert finished.code == 0, finished.stderr
    assert bool(said) == (name != "/dev/null")
    assert not Path("/dev/null").is_file() and not (workspace / "pipe").is_file()
