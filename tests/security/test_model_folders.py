"""Links within the folder of a model: none leads out, and none to what is no file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import PROJECT, Command

from coral_action import provenance
from coral_action.config.paths import PathRules
from coral_action.errors import ConfigError, ModelError
from coral_action.file_index import FileIndex
from coral_action.provenance import sha256_of, sha256_of_source


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "model" / "variables").mkdir(parents=True)
    (folder / "model" / "saved_model.pb").write_bytes(b"graph")
    (folder / "shared").write_bytes(b"inside")
    (tmp_path / "secret").write_bytes(b"guess")
    return folder


@pytest.mark.parametrize(
    "target", ["../../secret", "/proc/self/environ", "../../../secret", "../.git/config"]
)
@pytest.mark.parametrize("place", ["x", "variables/x"])
def test_links_that_lead_out_are_refused(workspace: Path, target: str, place: str) -> None:
    (workspace / ".git").mkdir()
    (workspace / ".git" / "config").write_text("token")
    link = workspace / "model" / place
    resolved = target if target.startswith("/") else (workspace / "model" / target).resolve()
    link.symlink_to(resolved)
    if not link.is_file():
        return  # leads nowhere: it is passed over
    with pytest.raises(ConfigError, match="outside of the workspace"):
        sha256_of_source("model", PathRules(workspace, workspace))
    assert sha256_of_source("model", PathRules(workspace))  # a user's own machine


def test_links_inside_count_by_what_they_lead_to(workspace: Path) -> None:
    rules = PathRules(workspace, workspace)
    (workspace / "model" / "x").symlink_to("../shared")
    before = sha256_of_source("model", rules)
    (workspace / "shared").write_bytes(b"changed")
    assert sha256_of_source("model", rules) != before
    (workspace / "model" / "x").unlink()
    (workspace / "model" / "x").write_bytes(b"inside")
    assert sha256_of_source("model", rules) == before


@pytest.mark.parametrize("kind", ["fifo", "/dev/zero", "folder"])
def test_only_regular_files_are_read(tmp_path: Path, kind: str) -> None:
    """In a process of its own: without the defence, it would never end."""
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.symlink_to(".")
    else:
        path.symlink_to(kind)
    code = (
        "import sys; from pathlib import Path; from coral_action import provenance\n"
        "try: print(provenance._read_sha256(Path(sys.argv[1])))\n"
        "except OSError as error: print('refused')"
    )
    words = [sys.executable, "-c", code, str(path)]
    finished = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=20)
    assert finished.stdout == "refused\n", finished.stderr
    (tmp_path / "y").write_bytes(b"y")
    digest = hashlib.sha256(b"y").hexdigest()
    if kind != "folder":
        assert sha256_of(tmp_path) == hashlib.sha256(f"y\0{digest}\n".encode()).hexdigest()


def test_files_are_read_up_to_their_size() -> None:
    """/proc/self/maps says 0 bytes; others there give gigabytes."""
    empty = hashlib.sha256().hexdigest()
    assert sha256_of(Path("/proc/self/maps")) == empty
    assert FileIndex().digest("/proc/self/maps") == empty


def test_size_is_bounded(workspace: Path) -> None:
    (workspace / "model" / "big").touch()
    os.truncate(workspace / "model" / "big", provenance._MAX_SOURCE_BYTES)
    with pytest.raises(ModelError, match="too many for a model"):
        sha256_of_source("model", PathRules(workspace, workspace))


@pytest.mark.parametrize("cache", ["--no-cache", "--cache=cache"])
def test_the_run_refuses(tmp_path: Path, digits: Path, command: Command, cache: str) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(
        digits, workspace, ignore=shutil.ignore_patterns("*.py", "frozen.pb", "*.keras")
    )
    (tmp_path / "secret").write_bytes(b"guess")
    (workspace / "saved_model" / "x").symlink_to("../../secret")
    (workspace / "coral.yml").write_text(
        "version: 1\nmodels:\n  - name: m\n    source: saved_model\n"
        "    calibration: {images: data/calibration, samples: 4}\n"
    )
    words = ("run", "--compiler", "none", cache)
    finished = command(*words, cwd=workspace, GITHUB_WORKSPACE=str(workspace))
    assert finished.code == 2, finished.stderr
    assert "saved_model/x: outside of the workspace" in finished.stderr
    assert (
        hashlib.sha256(b"guess").hexdigest()
        not in (workspace / "coral-output" / "report.json").read_text()
    )
