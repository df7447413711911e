"""Names that are links or FIFOs where files of ours go, and files that a child only pretends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness import Command

from coral_action import endings, isolation
from coral_action.errors import StageCrashError
from coral_action.isolation import Limits, run_isolated
from coral_action.output_files import open_regular, take_file, write_file
from coral_action.report.files import write_report
from coral_action.report.model import Report

PROJECT = Path(__file__).resolve().parents[2]
PRECIOUS = b"the file of another step"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A file that nothing may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    path = folder / "precious"
    path.write_bytes(PRECIOUS)
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    folder = tmp_path / "output"
    folder.mkdir()
    return folder


def test_a_link_is_replaced_and_not_followed(outside: Path, output: Path) -> None:
    target = output / "model_int8.tflite"
    target.symlink_to(outside)
    write_file(target, b"ours")
    assert outside.read_bytes() == PRECIOUS
    assert (target.is_symlink(), target.read_bytes()) == (False, b"ours")
    target.unlink()
    target.symlink_to(outside.with_name("not-there-yet"))
    write_file(target, b"ours")
    assert [path.name for path in outside.parent.iterdir()] == ["precious"]


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_reports_do_not_go_where_the_branch_wants_them(
    outside: Path, output: Path, kind: str
) -> None:
    """Names that a branch can hold, whole and half written."""
    for name in ("report.json", "report.md", "report.html"):
        for path in (output / f"{name}.part", output / name):
            if kind == "link":
                path.symlink_to(outside)
            elif kind == "fifo":
                os.mkfifo(path)
            elif path.suffix == ".part":
                path.mkdir()
    write_report(Report(tool={}, models=[], created="2026-01-01T00:00:00Z"), output)
    assert outside.read_bytes() == PRECIOUS
    assert (output / "report.json").is_file() and not (output / "report.json").is_symlink()


def test_the_main_job_follows_no_link_in_the_output_folder(
    outside: Path, digits: Path, tmp_path: Path, command: Command
) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(digits, workspace, ignore=shutil.ignore_patterns("*.py", "frozen.pb", "test"))
    config = workspace / "coral.yml"
    config.write_text(
        "version: 1\nmodels:\n  - name: m\n    source: saved_model\n"
        "    calibration: {images: data/calibration, samples: 8}\n"
        "    preprocess: {preset: keras.mobilenet}\n"
    )
    names = ("m_int8.tflite", "m_int8.tflite.part", "report.json", "report.json.part")
    (workspace / "out").mkdir()
    for name in (*names, "m_int8_edgetpu.tflite", "m_int8_edgetpu.log"):
        (workspace / "out" / name).symlink_to(outside)
    words = ("--config", config, "--output", workspace / "out", "--compiler", "none")
    finished = command("run", *words, "--workspace", workspace)
    assert finished.code == 0, finished.stderr
    assert outside.read_bytes() == PRECIOUS
    assert not (workspace / "out" / "m_int8.tflite").is_symlink()
    assert (workspace / "out" / "m_int8.tflite").read_bytes()[4:8] == b"TFL3"


# What a child can leave in place of the file that it was asked for; {outside} is not its to read.
PRETENDED = {
    "link": "os.symlink({outside!r}, {path!r})",
    "environment": "os.symlink('/proc/self/environ', {path!r})",
    "fifo": "os.mkfifo({path!r})",
    "folder": "os.mkdir({path!r})",
    "nothing": "",
    "hard link": "open({path!r} + 'x', 'w').close(); os.link({path!r} + 'x', {path!r})",
}


@pytest.fixture
def pretender(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let children run `coral_action.pretender:run`, which does what the request says."""
    root = tmp_path / "root"
    shutil.copytree(
        PROJECT / "coral_action",
        root / "coral_action",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (root / "coral_action" / "pretender.py").write_text(
        "import os\n\n\ndef run(request, progress):\n"
        "    exec(request['code'].replace('PATH', repr(request['output'])))\n    return {}\n"
    )
    monkeypatch.setattr(isolation, "_PACKAGE_ROOT", root)


@pytest.mark.parametrize("kind", PRETENDED)
@pytest.mark.usefixtures("pretender")
def test_what_is_no_file_is_not_taken(kind: str, outside: Path, output: Path) -> None:
    code = PRETENDED[kind].replace("{outside!r}", repr(str(outside))).replace("{path!r}", "PATH")
    target = output / "float.tflite"
    with pytest.raises(StageCrashError, match="loading left no file that can be taken"):
        run_isolated(
            "coral_action.pretender:run",
            {"code": code},
            stage="loading",
            limits=Limits(seconds=60),
            outputs={"output": target},
        )
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("name", ["result.json", "output.log"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
@pytest.mark.usefixtures("pretender")
def test_the_parents_own_files_are_not_followed(name: str, kind: str) -> None:
    """The parent reads both after the child has ended: a link could show it its own environment."""
    assert b"PATH=" in Path("/proc/self/environ").read_bytes()
    make = "os.symlink('/proc/self/environ', {0!r})" if kind == "link" else "os.mkfifo({0!r})"
    code = f"os.path.lexists({name!r}) and os.unlink({name!r}); {make.format(name)}; os._exit(0)"
    with pytest.raises(StageCrashError, match="no result") as caught:
        run_isolated("coral_action.pretender:run", {"code": code, "output": ""}, stage="loading")
    assert "PATH=" not in f"{caught.value} {caught.value.details}"


@pytest.mark.usefixtures("pretender")
def test_result_that_unfolds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few bytes of JSON become a hundred times as many in the parent's memory."""
    monkeypatch.setattr(endings, "_MAX_ELEMENTS", 1_000)
    for text in ("{},", "[", ","):
        for count in (300, 1_001):
            reply = '{"result": {"a": [' + text * count
            code = f"open('result.json', 'w').write({reply!r}); os._exit(0)"
            why = "no result" if count == 300 else "a result of more than 1,000 elements"
            with pytest.raises(StageCrashError, match=why):
                isolated(code)


def isolated(code: str) -> None:
    run_isolated("coral_action.pretender:run", {"code": code, "output": ""}, stage="loading")


def test_a_file_is_taken_whole_or_not_at_all(outside: Path, output: Path) -> None:
    source = output / "source"
    source.write_bytes(b"x" * 1000)
    target = output / "target"
    target.write_bytes(b"old")
    with pytest.raises(OSError, match="too many"):
        take_file(source, target, 999)
    assert target.read_bytes() == b"old"
    take_file(source, target, 1000)
    assert target.read_bytes() == source.read_bytes()
    os.link(outside, output / "second-name")
    with pytest.raises(OSError, match="not a plain file"), open_regular(output / "second-name", 99):
        pass
    assert sorted(path.name for path in output.iterdir()) == ["second-name", "source", "target"]
